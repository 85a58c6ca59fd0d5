import type { Log } from '../log/index.ts'
import type { Clock } from '../runtime/index.ts'
import { arenaBytes, type Channel, remoteName } from '../transport/index.ts'
import type { OperationSink, ParsedPublication, PublicationSink, Violation } from '../wire/index.ts'
import { ClientOutlet, type OutletOptions, type OutletOwner } from './client-outlet.ts'
import type { ClientSubscription } from './client-subscription.ts'
import type { Peer } from './message.ts'

/**
 * The protocol as lines of the log, for those who set `trace: true`: nats-server's, since harnesses read
 * them. It stands between the parser and those who act on what it says, and takes the place of a
 * connection's outlet; without `trace` none of this exists. Source: nats-server's server/client.go
 * (traceInOp, traceOutOp, traceMsg).
 *
 *   127.0.0.1:51966 - cid:5 - <<- [SUB foo 1]
 */
export class ProtocolTrace {
  readonly #log: Log
  readonly #channel: Channel
  readonly #id: number

  constructor(log: Log, channel: Channel, id: number) {
    this.#log = log
    this.#channel = channel
    this.#id = id
  }

  heard(...words: readonly (string | number)[]): void {
    this.#tell('<<-', words)
  }

  said(...words: readonly (string | number)[]): void {
    this.#tell('->>', words)
  }

  /** The address may come later, in a PROXY header. */
  get #from(): string {
    return `${remoteName(this.#channel)} - cid:${this.#id}`
  }

  payload(bytes: Uint8Array): void {
    const text = Buffer.from(bytes).toString('latin1')
    this.#log.trace({}, `${this.#from} - <<- MSG_PAYLOAD: [${JSON.stringify(text)}]`)
  }

  #tell(direction: '<<-' | '->>', words: readonly (string | number)[]): void {
    const line = words.filter((word) => word !== '').join(' ')
    this.#log.trace({}, `${this.#from} - ${direction} [${line}]`)
  }
}

/** What the parser tells, told to the log first. */
export class TracedInput implements PublicationSink, OperationSink {
  readonly #trace: ProtocolTrace
  readonly #publications: PublicationSink
  readonly #operations: OperationSink

  constructor(trace: ProtocolTrace, publications: PublicationSink, operations: OperationSink) {
    this.#trace = trace
    this.#publications = publications
    this.#operations = operations
  }

  scanSubject(start: number, end: number): number {
    return this.#publications.scanSubject(start, end)
  }

  publishRun(
    subjectStart: number,
    tailStart: number,
    replyEnd: number,
    bodyStart: number,
    headerBytes: number,
    totalBytes: number,
  ): void {
    const subject = arenaBytes.toString('utf8', subjectStart, tailStart - 1)
    const reply = arenaBytes.toString('utf8', tailStart, replyEnd)
    this.#heardPublication(subject, reply, headerBytes, totalBytes)
    this.#trace.payload(arenaBytes.subarray(bodyStart, bodyStart + totalBytes))
    this.#publications.publishRun(
      subjectStart,
      tailStart,
      replyEnd,
      bodyStart,
      headerBytes,
      totalBytes,
    )
  }

  publishParts(publication: ParsedPublication): void {
    const { subject, reply, headers, payload } = publication
    const headerBytes = headers.length === 0 ? -1 : headers.length
    const total = headers.length + payload.length
    this.#heardPublication(textOf(subject), textOf(reply), headerBytes, total)
    this.#trace.payload(Buffer.concat([headers, payload]))
    this.#publications.publishParts(publication)
  }

  connect(json: string): void {
    const shown = withoutSecrets(json)
    if (shown !== undefined) this.#trace.heard('CONNECT', shown)
    this.#operations.connect(json)
  }

  subscribe(subject: string, queue: string, sid: string): void {
    this.#trace.heard('SUB', subject, queue, sid)
    this.#operations.subscribe(subject, queue, sid)
  }

  unsubscribe(sid: string, deliveredMax: number): void {
    this.#trace.heard('UNSUB', sid, deliveredMax === 0 ? '' : deliveredMax)
    this.#operations.unsubscribe(sid, deliveredMax)
  }

  ping(): void {
    this.#trace.heard('PING')
    this.#operations.ping()
  }

  pong(): void {
    this.#trace.heard('PONG')
    this.#operations.pong()
  }

  reportedError(text: string): void {
    this.#trace.heard('-ERR', text)
    this.#operations.reportedError(text)
  }

  uninvited(): void {
    this.#operations.uninvited()
  }

  violated(error: Violation): void {
    this.#operations.violated(error)
  }

  #heardPublication(subject: string, reply: string, headerBytes: number, total: number): void {
    if (headerBytes < 0) this.#trace.heard('PUB', subject, reply, total)
    else this.#trace.heard('HPUB', subject, reply, headerBytes, total)
  }
}

/** The receiving half of a connection that is traced. */
export class TracedOutlet extends ClientOutlet {
  readonly #trace: ProtocolTrace

  constructor(
    clock: Clock,
    channel: Channel,
    id: number,
    options: OutletOptions,
    owner: OutletOwner,
    trace: ProtocolTrace,
  ) {
    super(clock, channel, id, options, owner)
    this.#trace = trace
  }

  override takeRun(
    subscription: ClientSubscription,
    origin: Peer,
    hasHeaders: boolean,
    subjectStart: number,
    tailStart: number,
    end: number,
    totalBytes: number,
  ): boolean {
    const isTaken = super.takeRun(
      subscription,
      origin,
      hasHeaders,
      subjectStart,
      tailStart,
      end,
      totalBytes,
    )
    if (isTaken) {
      const subject = arenaBytes.toString('utf8', subjectStart, tailStart - 1)
      const tail = arenaBytes.toString('utf8', tailStart, end - totalBytes - CRLF * 2)
      this.#trace.said(hasHeaders ? 'HMSG' : 'MSG', subject, subscription.sid, tail)
    }
    return isTaken
  }

  override write(bytes: Uint8Array): void {
    const line = textOf(bytes).trimEnd()
    // An -ERR and the like are a line of their own; what follows is a message that was written by hand.
    this.#trace.said(line.split('\r\n', 1)[0]?.replace(/^\+/, '') ?? '')
    super.write(bytes)
  }
}

const CRLF = 2
/** Values of CONNECT that must not stand in a log. */
const SECRETS: ReadonlySet<string> = new Set(['pass', 'auth_token', 'sig', 'jwt', 'proxy_sig'])

/**
 * A CONNECT as a log may have it. A secret is found by what its key says once read, not by how it is
 * written; of what cannot be read nobody knows where a secret stands: undefined.
 */
function withoutSecrets(json: string): string | undefined {
  try {
    const shown: unknown = JSON.parse(json, (key, value: unknown) =>
      SECRETS.has(key.toLowerCase()) ? '[REDACTED]' : value,
    )
    return typeof shown === 'object' && shown !== null ? JSON.stringify(shown) : undefined
  } catch {
    return undefined
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString()
}
