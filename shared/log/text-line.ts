/**
 * nats-server's log lines, which harnesses read:
 *
 *   [pid] 2026/11/21 09:00:00.000000 [INF] Server is ready
 *
 * Fields, which it does not have, follow the message as `name=value`. Source: nats-server's logger/log.go.
 */

export interface TextStyle {
  readonly pid: number
  readonly logtime: boolean
  readonly logtime_utc: boolean
  /** For a terminal. */
  readonly isColoured: boolean
}

const LABELS: Readonly<Record<string, readonly [label: string, colour: string]>> = {
  trace: ['TRC', '33'],
  debug: ['DBG', '36'],
  info: ['INF', '32'],
  warn: ['WRN', '0;93'],
  error: ['ERR', '31'],
  fatal: ['FTL', '31'],
}

/** A line of JSON, as pino writes it, as one of text. */
export function textLine(json: string, style: TextStyle): string {
  const { level, time, msg, err, ...fields } = JSON.parse(json) as Record<string, unknown>
  const stamp = style.logtime && typeof time === 'string' ? `${stampOf(time, style)} ` : ''
  const words = Object.entries(fields).map(([name, value]) => ` ${name}=${shown(value)}`)
  const reason = err === undefined ? '' : `: ${messageIn(err)}`
  return `[${style.pid}] ${stamp}${labelOf(String(level), style)} ${msg}${words.join('')}${reason}\n`
}

function labelOf(level: string, style: TextStyle): string {
  const [label, colour] = LABELS[level] ?? ['INF', '32']
  return style.isColoured ? `[\x1b[${colour}m${label}\x1b[0m]` : `[${label}]`
}

/** The clock counts milliseconds; the format has microseconds. */
function stampOf(iso: string, { logtime_utc: isUtc }: TextStyle): string {
  const at = new Date(iso)
  const [date, clock] = isUtc ? utcParts(at) : localParts(at)
  const two = (numbers: readonly number[]): string[] => {
    return numbers.map((number) => String(number).padStart(2, '0'))
  }
  const milliseconds = String(at.getUTCMilliseconds()).padStart(3, '0')
  return `${two(date).join('/')} ${two(clock).join(':')}.${milliseconds}000`
}

function utcParts(at: Date): readonly [readonly number[], readonly number[]] {
  return [
    [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate()],
    [at.getUTCHours(), at.getUTCMinutes(), at.getUTCSeconds()],
  ]
}

function localParts(at: Date): readonly [readonly number[], readonly number[]] {
  return [
    [at.getFullYear(), at.getMonth() + 1, at.getDate()],
    [at.getHours(), at.getMinutes(), at.getSeconds()],
  ]
}

/** A line stays a line: what would break it is written as JSON has it. */
function shown(value: unknown): string {
  const isPlain = typeof value === 'string' && /^[^\s"=]+$/.test(value)
  return isPlain ? value : JSON.stringify(value)
}

function messageIn(err: unknown): string {
  const { message, cause } = Object(err) as { message?: unknown; cause?: unknown }
  const own = typeof message === 'string' ? message : JSON.stringify(err)
  const whole = typeof cause === 'string' && cause !== own ? `${own}: ${cause}` : own
  return whole.replace(/\s*\n\s*/g, '; ')
}
