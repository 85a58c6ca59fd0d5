/**
 * What a command printed, without what differs from run to run and from machine to machine: times, rates, sizes,
 * ids, ports and versions. What is left must be equal at both servers.
 */
const VOLATILE = [
  // Frames of tables are as wide as what they hold.
  [/[╭╮╰╯├┤┼│┬┴─━═║╔╗╚╝╠╣]+/g, ' '],
  [/\b[A-Z2-7]{56}\b/g, 'KEY'],
  [/\b[0-9a-f]{64}\b/g, 'DIGEST'],
  [/SHA-256=\S+/g, 'DIGEST'],
  [/\b\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d| [+-]\d{4} \w+)?/g, 'TIME'],
  [/\b\d\d:\d\d:\d\d(\.\d+)?\b/g, 'TIME'],
  [/\b\d{4}-\d\d-\d\d\b/g, 'TIME'],
  [/conformance-cli-\w+/g, 'DIR'],
  [
    /"(ts|start|now|created|timestamp|time|last_active|jwt_update_time|config_load_time)":\s*"[^"]*"/g,
    '"$1":TIME',
  ],
  // How fast it was is told in one line, by amount and spread.
  [/.*\b(stats:|message rates|latencies per operation|~ min:).*/g, 'PACE'],
  [/-?\b(\d+y)?(\d+d)?(\d+h)?(\d+m)?(\d+(\.\d+)?(ns|µs|us|ms|s))\b/g, 'SPAN'],
  [/\b\d+(y|d|h|m)(\d+(h|m))*\b/g, 'SPAN'],
  [/[\d,.]+ ?([KMGT]i?B|B)(\/sec)?\b/g, 'SIZE'],
  [/[\d,.]+ (msgs|requests|replies)\/(sec|s)/g, 'RATE'],
  [/127\.0\.0\.1:\d+/g, 'ADDRESS'],
  [/nats:\/\/\S+/g, 'URL'],
  [/_INBOX\.[\w.]+/g, 'INBOX'],
  [/\b(?=\w*\d)(?=\w*[A-Z])[0-9A-Za-z]{20,22}\b/g, 'NUID'],
  [/\b(?=\w*\d)[0-9A-Za-z]{8}\b(?=.*Consumer|$)/g, 'ID'],
  [/\[?\d+(\.\d+)?%\]?/g, 'SHARE'],
  [/\bcid:? ?\d+/g, 'CID'],
  [/Client ID: \d+/g, 'CID'],
]

/** What the two outputs have not in common: lines of the first after `-`, of the second after `+`. */
export function differences(there, here) {
  const [wanted, got] = [normalised(there), normalised(here)]
  if (wanted.join('\n') === got.join('\n')) return []
  const left = new Map()
  for (const line of wanted) left.set(line, (left.get(line) ?? 0) + 1)
  const added = got.filter((line) => {
    const count = left.get(line) ?? 0
    if (count > 0) left.set(line, count - 1)
    return count === 0
  })
  const missing = [...left].flatMap(([line, count]) => Array(count).fill(line))
  const moved = missing.length === 0 && added.length === 0 ? ['~ in another order'] : []
  return [...missing.map((line) => `- ${line}`), ...added.map((line) => `+ ${line}`), ...moved]
}

function normalised(output) {
  return output
    .split('\n')
    .map((line) => {
      let text = line
      for (const [pattern, name] of VOLATILE) text = text.replace(pattern, name)
      return text.replace(/\s+/g, ' ').trim()
    })
    .filter((line) => line !== '')
}
