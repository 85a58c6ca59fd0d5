import type { Log } from '../log/index.ts'
import type { Clock } from '../runtime/index.ts'
import { type Channel, remoteName } from '../transport/index.ts'
import { type ConnectOptions, quoted } from '../wire/index.ts'
import { VIOLATION_LOG_MS, VIOLATIONS_LOGGED_EACH_MAX, VIOLATIONS_LOGGED_MAX } from './limits.ts'

/** Of whom a line speaks. */
export interface Violator {
  readonly id: number
  readonly channel: Channel
  readonly options: ConnectOptions
  readonly isConnected: boolean
  readonly identity: { readonly account: string; readonly user: string } | undefined
}

/**
 * What clients did wrong, as lines of the log in nats-server's words, since harnesses and alarms read
 * them. Clients choose how often they do wrong: each gets so many lines per interval, and all together so
 * many; the others are counted. Source: nats-server's server/client.go (`authViolation`,
 * `pubPermissionViolation`, `getAuthUser`).
 *
 *     127.0.0.1:51966 - cid:5 - "v1.2:go:name" - "$G/user:ada" - Publish Violation - Subject "a"
 */
export class ViolationLog {
  readonly #clock: Clock
  readonly #log: Log
  readonly #byConnection = new Map<number, number>()
  #sinceMs = Number.NEGATIVE_INFINITY
  #count = 0
  #suppressed = 0

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  tell(violator: Violator, text: string): void {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs - this.#sinceMs >= VIOLATION_LOG_MS) this.#begin(nowMs)
    const own = this.#byConnection.get(violator.id) ?? 0
    if (own >= VIOLATIONS_LOGGED_EACH_MAX || this.#count >= VIOLATIONS_LOGGED_MAX) {
      this.#suppressed++
      return
    }
    this.#byConnection.set(violator.id, own + 1)
    this.#count++
    this.#log.error({}, `${whoIs(violator)} - ${text}`)
  }

  #begin(nowMs: number): void {
    const suppressed = this.#suppressed
    if (suppressed > 0) this.#log.error({ suppressed }, 'more violations of clients')
    this.#sinceMs = nowMs
    this.#count = 0
    this.#suppressed = 0
    this.#byConnection.clear()
  }
}

/** @param known who somebody was let in as, if he was */
export function authenticationError(options: ConnectOptions, known = ''): string {
  const who = presentedBy(options, known)
  return who === '' ? 'authentication error' : `authentication error - ${who}`
}

/** `User "ada"`: what a client presented. '' for nothing. */
function presentedBy({ nkey, user, auth_token }: ConnectOptions, known: string): string {
  if (nkey) return `Nkey ${quoted(nkey)}`
  if (user) return `User ${quoted(user)}`
  if (known !== '') return `JWT User ${quoted(known)}`
  return auth_token ? 'Token "[REDACTED]"' : ''
}

function whoIs({ channel, id, identity, isConnected, options }: Violator): string {
  const words = [`${remoteName(channel)} - cid:${id}`]
  if (!isConnected) return words.join()
  const { name, lang, version } = options
  const client = [version === '' ? '' : `v${version}`, lang, name].filter((word) => word !== '')
  if (client.length > 0) words.push(quoted(client.join(':')))
  if (identity !== undefined) {
    const { account, user } = identity
    const kind = options.nkey ? 'nkey' : options.jwt ? 'jwt' : 'user'
    words.push(quoted(user === '' ? account : `${account}/${kind}:${user}`))
  }
  return words.join(' - ')
}

/** What a refusal that a client is told of is called in the log; undefined: nothing there. */
export function logTextOf(refusal: string, sid: string): string | undefined {
  const found = LOGGED.find(([told]) => refusal.startsWith(told))
  if (found === undefined) return undefined
  const [told, logged] = found
  const rest = refusal.slice(told.length)
  if (told !== SUBSCRIPTION) return `${logged}${rest}`
  if (sid === '') return `Removed sub ${rest} - not authorized`
  const subject = rest.replace(TOO_MANY_TOKENS, '').replace('" using queue "', '", Queue: "')
  const tokens = rest.endsWith(TOO_MANY_TOKENS) ? ' Too Many Tokens' : ''
  return `${logged}${tokens} - Subject ${subject}, SID ${sid}`
}

const SUBSCRIPTION = 'Permissions Violation for Subscription to '
const TOO_MANY_TOKENS = ', too many tokens'

/** By how what is told begins. */
const LOGGED = [
  ['Permissions Violation for Publish to ', 'Publish Violation - Subject '],
  ['Permissions Violation for Publish with Reply of ', 'Publish Violation - Reply '],
  [SUBSCRIPTION, 'Subscription Violation'],
  ['maximum subscriptions exceeded', 'maximum subscriptions exceeded'],
  ['maximum account active', 'maximum account active'],
  ['Maximum Payload Violation', 'maximum payload exceeded'],
] as const
