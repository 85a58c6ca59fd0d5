/** The reports as people read them. */

import type { StoreReport } from './store-check.ts'
import type { RepairReport } from './store-repair.ts'

const TO_REPAIR = '`petiole store repair` puts right what it can, and loses nothing'
const NOT_REPAIRED = 'no repair can put these right: docs/operations.md says what can be done'

export function renderCheck(report: StoreReport, advice = TO_REPAIR): string {
  const { segments, streams, quarantine } = report
  const bytes = segments.reduce((total, one) => total + one.bytes, 0)
  const records = segments.reduce((total, one) => total + one.records, 0)
  const lines = [
    `${report.directory}: store ${report.id ?? 'without an id'} of ${report.owner || 'no server yet'}`,
    `${segments.length} segments, ${bytes} bytes, ${records} records`,
  ]
  for (const { name, messages, bytes: size, first_seq, last_seq, lost } of streams) {
    const gone = lost.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`))
    const tail = gone.length === 0 ? '' : `, lost: ${gone.join(' ')}`
    lines.push(
      `stream ${name}: ${messages} messages, ${size} bytes, ${first_seq} to ${last_seq}${tail}`,
    )
  }
  if (quarantine.files > 0) {
    lines.push(`quarantine: ${quarantine.files} files, ${quarantine.bytes} bytes`)
  }
  for (const { file, problem } of report.notices) lines.push(`note: ${file} ${problem}`)
  for (const { file, problem } of report.problems) lines.push(`PROBLEM: ${file}: ${problem}`)
  const isWhole = report.locked.length === 0
  lines.push(
    report.ok && !isWhole
      ? 'ok: all checksums hold; what is in the records was not looked at, for want of the key'
      : report.ok
        ? streams.some(({ lost }) => lost.length > 0)
          ? 'ok: what was lost is named above and kept or noted in quarantine; everything else holds'
          : 'ok: everything holds, or is in quarantine'
        : `${report.problems.length} problems: ${advice}`,
  )
  return `${lines.join('\n')}\n`
}

export function renderRepair({ done, after }: RepairReport): string {
  const lines = done.length === 0 ? ['nothing to repair'] : done.map((one) => `repaired: ${one}`)
  return `${lines.join('\n')}\n${renderCheck(after, NOT_REPAIRED)}`
}
