# What a log counts: passed, failed and skipped of the last `N passed, N failed, N skipped`, of the line of the conformance table, or of ava's own lines; nothing for a log without any.
/^[0-9]+ of [0-9]+ bodies are equal/ { p = $1; f = $3 - $1; seen = 1 }
/^ *[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 + 0; seen = 1 }
/^ *[0-9]+ (tests?|known failures?|uncaught exceptions?|unhandled rejections?|hooks?|test files?) / || /^ *[0-9]+ (uncaught|unhandled)/ {
  if (/ passed/) { p = $1; seen = 1 } else if (/ skipped| todo/) s += $1; else { f += $1; seen = 1 }
}
END { if (seen) print p + 0, f + 0, s + 0 }
