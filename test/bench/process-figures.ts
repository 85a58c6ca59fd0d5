import { readFileSync } from 'node:fs'

const KIB = 1024
/** USER_HZ of Linux, on every architecture that Node runs on. */
const TICKS_PER_SECOND = 100

/** What the process holds of the machine's memory. */
export function rssMiB(pid: number): number {
  const line = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(line ?? 0) / KIB)
}

/** Processor time that the process has used since its start. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the program's name, in parentheses, and may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
}

/** Bytes that the process has sent to the disk since its start. */
export function bytesWritten(pid: number): number {
  const line = /^write_bytes: (\d+)$/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]
  return Number(line ?? 0)
}
