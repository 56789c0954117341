/** How results are shown: tables for a terminal, the block of README.md, and JSON with every sample. */
import { readFileSync } from 'node:fs';
import { cpus, loadavg, release } from 'node:os';
import Table from 'cli-table3';
import { type Cell, nameOf, type RowResult } from './run.ts';
import type { Target } from './target.ts';

/** To `digits` significant digits, never with an exponent; larger numbers whole. */
export const figure = (value: number, digits: number): string =>
  value >= 10 ** digits ? String(Math.round(value)) : String(Number(value.toPrecision(digits)));

export interface Machine {
  readonly cpus: number;
  readonly model: string;
  readonly kernel: string;
  readonly node: string;
  readonly congestionControl: string;
  /** Of one minute, before the first measurement. */
  readonly load: number;
  /** In namespaces of its own. */
  readonly alone: boolean;
}
export const machineOf = (alone: boolean): Machine => ({
  cpus: cpus().length,
  model: cpus()[0]?.model.trim() ?? 'unknown',
  kernel: release(),
  node: process.version,
  congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim(),
  load: loadavg()[0] ?? 0,
  alone,
});
export const machineLine = ({ cpus: count, model, kernel, node, congestionControl, load, alone }: Machine): string =>
  `${count} CPUs (${model}), Linux ${kernel}, Node ${node}, congestion control of the host ${congestionControl}, ` +
  `load average ${figure(load, 2)} at the start${alone ? '' : ', on the host without namespaces of its own'}`;

export interface Report {
  readonly machine: Machine;
  readonly rounds: number;
  readonly ms: number;
  readonly targets: readonly Target[];
  /** What peers call themselves. */
  readonly versions: readonly string[];
  readonly results: readonly RowResult[];
}
const footer = ({ machine, rounds, ms, versions }: Report): string =>
  `${[machineLine(machine), ...versions].join(', ')}; medians of ${rounds} interleaved rounds of ${ms} ms, least to greatest beside them`;

const sectionsOf = ({ results }: Report): Map<string, RowResult[]> => {
  const sections = new Map<string, RowResult[]>();
  for (const result of results)
    sections.set(result.section.title, [...(sections.get(result.section.title) ?? []), result]);
  return sections;
};

function lineOf(target: Target, cell: Cell): string[] {
  if ('why' in cell) return [target.title, cell.failed ? 'failed' : cell.why];
  const { value, ratio, cpu } = cell.summary;
  const shown = [target.title, figure(value, 3), figure(ratio.median, 2)];
  shown.push(`${figure(ratio.least, 2)} to ${figure(ratio.greatest, 2)}`);
  if (cpu === undefined) return shown;
  return [...shown, figure(cpu.us, 3), figure(cpu.ratio, 2), cpu.own === undefined ? '' : figure(cpu.own, 2)];
}
const HEAD = ['', 'unit', '', 'value', 'ratio', 'least to greatest', 'CPU us', 'CPU ratio', "sandbox's"];

/** One table a section. CPU time is that of an operation, of an octet where the unit is Gbit/s. */
export function asTables(report: Report): string {
  const tables = [...sectionsOf(report)].map(([title, results]) => {
    const table = new Table({ head: HEAD, style: { head: [], border: [], compact: true } });
    for (const { row, cells } of results)
      for (const [target, cell] of cells) {
        const first = target === report.targets[0];
        table.push([first ? row.title : '', first ? row.unit : '', ...lineOf(target, cell)]);
      }
    return `${title}\n${table.toString()}\n`;
  });
  const explained =
    "ratio: to native, more is better except for us and ms; CPU: user and system time of an operation (us; of 64 KiB for Gbit/s), of all processes; sandbox's: of supervisor and gateway alone, to native's whole";
  return `${tables.join('\n')}${explained}\n${footer(report)}\n`;
}

const markdownRow = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const textOf = (
  cell: Cell | undefined,
  show: (cell: Extract<Cell, { readonly samples: unknown }>) => string,
): string => {
  if (cell === undefined) return '';
  if ('why' in cell) return cell.failed ? 'failed' : cell.why;
  return show(cell);
};

/** Two tables for all: ratios, and ratios of CPU time. */
export function asMarkdown(report: Report): string {
  const [base, ...others] = report.targets;
  if (base === undefined) return '';
  const head = (first: string): string[] => [
    markdownRow(['', first, ...others.map(({ title }) => title)]),
    markdownRow(['---', ...report.targets.map(() => '---:')]),
  ];
  const ratios = head('native');
  const costs = head('native, us');
  for (const [title, results] of sectionsOf(report)) {
    const heading = markdownRow([`**${title}**`, ...report.targets.map(() => '')]);
    ratios.push(heading);
    const cost: string[] = [];
    for (const { row, cells } of results) {
      const first = textOf(cells.get(base), ({ summary }) => `${figure(summary.value, 3)} ${row.unit}`);
      const shown = others.map((target) =>
        textOf(cells.get(target), ({ summary: { ratio } }) => {
          const [middle, least, greatest] = [ratio.median, ratio.least, ratio.greatest].map((value) =>
            figure(value, 2),
          );
          return `${middle} (${least}-${greatest})`;
        }),
      );
      ratios.push(markdownRow([row.title, first, ...shown]));
      if (row.cpu !== true) continue;
      const native = textOf(cells.get(base), ({ summary: { cpu } }) => (cpu === undefined ? '' : figure(cpu.us, 3)));
      const ratio = others.map((target) =>
        textOf(cells.get(target), ({ summary: { cpu } }) =>
          cpu === undefined ? '' : `${figure(cpu.ratio, 2)}${cpu.own === undefined ? '' : ` (${figure(cpu.own, 2)})`}`,
        ),
      );
      if (native !== '') cost.push(markdownRow([row.title, native, ...ratio]));
    }
    if (cost.length > 0) costs.push(heading, ...cost);
  }
  return [
    'Ratios to native, least and greatest in parentheses: more is better for Gbit/s and 1/s, less for us and ms.',
    '',
    ...ratios,
    '',
    "CPU time of an operation (of 64 KiB where bulk is moved), user and system, of all processes that take part, as ratio to native's; in parentheses what supervisor and gateway alone take of that.",
    '',
    ...costs,
    '',
    `${footer(report)}.`,
  ].join('\n');
}

export const asJson = ({ machine, rounds, ms, versions, results }: Report): string =>
  JSON.stringify({
    machine,
    rounds,
    ms,
    versions,
    results: results.map(({ section, row, cells }) => ({
      name: nameOf(section, row),
      title: `${section.title}: ${row.title}`,
      unit: row.unit,
      targets: Object.fromEntries([...cells].map(([{ name }, cell]) => [name, cell])),
    })),
  });

const BEGIN = '<!-- bench: written by npm run bench -- --update-readme -->';
const END = '<!-- /bench -->';
/** `text` with the block between the markers replaced. */
export function withBlock(text: string, block: string): string {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`README.md has no block between "${BEGIN}" and "${END}"`);
  return `${text.slice(0, begin + BEGIN.length)}\n${block}\n${text.slice(end)}`;
}
