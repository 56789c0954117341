/**
 * `npm run build`, after the compiler: the command line and the gateway as one file each (src/host/bundle.ts says why), and a first run of both, after which what V8 compiled is kept.
 * The names are left as they are, for the sake of what an error shows.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const BUILD = fileURLToPath(new URL('../', import.meta.url));
const OUT = `${BUILD}bundle`;

/** Files are found from the place of the module that names them, which is no longer where its code is. */
const places: Plugin = {
  name: 'places',
  setup(from) {
    from.onLoad({ filter: /\/build\/src\/.*\.js$/ }, ({ path }) => {
      const place = JSON.stringify(`../${relative(BUILD, path).split(sep).join('/')}`);
      return { contents: readFileSync(path, 'utf8').replaceAll('import.meta.url', `placeOf(${place})`), loader: 'js' };
    });
  },
};
const PLACE_OF = "const placeOf = (path) => new URL(path, require('node:url').pathToFileURL(__filename)).href;";

async function bundle(name: string, entry: string): Promise<void> {
  const { outputFiles } = await build({
    entryPoints: [`${BUILD}src/${entry}`],
    write: false,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node20',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    banner: { js: PLACE_OF },
    plugins: [places],
    // The conformance suite is as large as the rest; who runs it waits for seconds anyway.
    external: ['koffi', './conformance.js'],
    logLevel: 'warning',
  });
  const text = outputFiles.map((file) => file.text).join('');
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 32);
  writeFileSync(`${OUT}/${name}.cjs`, `// ${hash}\n${text}`);
}

rmSync(OUT, { recursive: true, force: true });
mkdirSync(OUT);
await Promise.all([bundle('command-line', 'cli/command-line.js'), bundle('gateway', 'gateway/process.js')]);

// Long enough that the gateway is up and ends by itself. Where no sandbox can be made here, the first one elsewhere does as well.
const main = `${BUILD}src/cli/main.js`;
spawnSync(process.execPath, [main, 'run', '--', 'sh', '-c', 'sleep 0.5'], { stdio: 'ignore', timeout: 30_000 });
