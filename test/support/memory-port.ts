/**
 * The messaging side of a stream engine, in memory: routes to handlers and captures at once, and
 * keeps what is published to inboxes for the test to look at.
 */
import type { PetioleError } from '../../shared/runtime/index.ts'
import type {
  CapturedMessage,
  Flow,
  HeardMessage,
  InterestWatch,
  Outlet,
  OutletOptions,
  PortMessage,
  StreamPort,
} from '../../shared/stream/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'

export interface Published {
  readonly to: string
  readonly subject: string
  readonly reply: string
  readonly headers: string
  readonly payload: string
}

/** What most API answers have in common. */
export interface ApiAnswer {
  readonly type: string
  readonly error?: {
    readonly code: number
    readonly err_code: number
    readonly description: string
  }
  readonly [key: string]: unknown
}

const NOTHING = new Uint8Array(0)

export class MemoryPort implements StreamPort {
  readonly #handlers = new Set<{ filter: SubjectFilter; handle: (m: PortMessage) => void }>()
  readonly #captures = new Set<{ filter: SubjectFilter; capture: (m: CapturedMessage) => void }>()
  readonly #waiting = new Map<string, (message: Published) => void>()
  /** What came for each inbox, oldest first. */
  readonly inboxes = new Map<string, Published[]>()
  /** Subjects without interest; all others have some. */
  readonly deaf = new Set<string>()
  /** Below `$JS.` only what has a handler has interest. */
  hearsOnlyHandlers = false
  /** Subjects whose subscribers take nothing at the moment. */
  readonly refusing = new Set<string>()
  /** Subjects on which everything is lost on its way. */
  readonly lost = new Set<string>()
  /** Whom the receiver on a subject may hold up. */
  readonly flows = new Map<string, Flow | undefined>()
  readonly #watches = new Set<{ readonly subject: string; readonly tell: () => void }>()
  readonly #reaches = new Set<{ readonly subject: string; readonly tell: () => void }>()
  #inboxes = 0

  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void {
    this.#arrive(subject, subject, reply, headers, payload)
  }

  outlet({ flow }: OutletOptions = {}): Outlet {
    const deliver: Outlet['deliver'] = (to, subject, reply, headers, payload) => {
      const inbox = textOf(to)
      if (!this.hasInterest(inbox) || this.refusing.has(inbox)) return false
      this.flows.set(inbox, flow)
      this.#arrive(inbox, textOf(subject), textOf(reply), headers, payload)
      return true
    }
    return {
      deliver,
      deliverLaidOut: (to, { bytes, subjectAt, headersAt, payloadAt, end }, reply) => {
        const part = (from: number, until: number): Uint8Array =>
          Buffer.from(bytes.buffer, bytes.byteOffset + from, until - from)
        const headers = part(headersAt, payloadAt)
        return deliver(to, part(subjectAt, headersAt), reply, headers, part(payloadAt, end))
      },
    }
  }

  subscribe(subject: string, handle: (request: PortMessage) => void): () => void {
    const entry = { filter: new SubjectFilter(subject), handle }
    this.#handlers.add(entry)
    return () => this.#handlers.delete(entry)
  }

  listen(subject: string, handle: (message: HeardMessage) => void): () => void {
    return this.subscribe(subject, (message) =>
      handle({ ...message, subjectBytes: Buffer.from(message.subject) }),
    )
  }

  capture(subject: string, capture: (message: CapturedMessage) => void): () => void {
    const entry = { filter: new SubjectFilter(subject), capture }
    this.#captures.add(entry)
    return () => this.#captures.delete(entry)
  }

  receive(subject: string, handle: (message: PortMessage) => void): () => void {
    const stop = this.subscribe(subject, handle)
    this.#tellOf(subject)
    return () => {
      stop()
      this.#tellOf(subject)
    }
  }

  onReach(subject: string, tell: () => void): () => void {
    const watch = { subject, tell }
    this.#reaches.add(watch)
    return () => this.#reaches.delete(watch)
  }

  /** A link brings somebody who takes messages on a subject. */
  reach(subject: string): void {
    for (const watch of [...this.#reaches]) if (watch.subject === subject) watch.tell()
  }

  hasInterest(subject: string): boolean {
    if (this.deaf.has(subject)) return false
    if (!this.hearsOnlyHandlers || !subject.startsWith('$JS.')) return true
    return [...this.#handlers].some(({ filter }) => filter.matchesText(subject))
  }

  watchInterest(subject: string, _queue: string, tell: () => void): InterestWatch {
    const watch = { subject, tell }
    this.#watches.add(watch)
    const hasInterest = (): boolean => this.hasInterest(subject)
    return {
      get isInterested() {
        return hasInterest()
      },
      stop: () => this.#watches.delete(watch),
    }
  }

  /** Subscribers of a subject come or go. */
  setInterest(subject: string, isThere: boolean): void {
    if (isThere) this.deaf.delete(subject)
    else this.deaf.add(subject)
    this.#tellOf(subject)
  }

  newInbox(): string {
    return `_INBOX.${++this.#inboxes}`
  }

  /** Publishes as a client would; resolves with the error of whoever stored it. */
  send(
    subject: string,
    payload = '',
    options: { reply?: string; headers?: Record<string, string> } = {},
  ): Promise<PetioleError | undefined> {
    const message = {
      subject,
      subjectBytes: Buffer.from(subject),
      reply: options.reply ?? '',
      headers: headerBlock(options.headers),
      payload: Buffer.from(payload),
    }
    for (const { filter, handle } of [...this.#handlers]) {
      if (filter.matchesText(subject)) handle(message)
    }
    return new Promise((resolve) => {
      let isTaken = false
      const takeCommitted = (): ((error: PetioleError | undefined) => void) => {
        isTaken = true
        return resolve
      }
      for (const { filter, capture } of [...this.#captures]) {
        if (filter.matchesText(subject)) capture({ ...message, takeCommitted })
      }
      if (!isTaken) resolve(undefined)
    })
  }

  /** Sends a request and resolves with its first answer. */
  async request(
    subject: string,
    payload: unknown = '',
    headers?: Record<string, string>,
  ): Promise<Published> {
    const reply = this.newInbox()
    const answered = this.next(reply)
    const text = typeof payload === 'string' ? payload : JSON.stringify(payload)
    await this.send(subject, text, { reply, ...(headers ? { headers } : {}) })
    return answered
  }

  /** A JSON API request under `$JS.API.`, answered as an object. */
  async api<Answer = ApiAnswer>(subject: string, payload: unknown = ''): Promise<Answer> {
    return JSON.parse((await this.request(`$JS.API.${subject}`, payload)).payload)
  }

  /** The next message for an inbox that `taken` has not seen. */
  next(inbox: string): Promise<Published> {
    const queue = this.inboxes.get(inbox) ?? []
    const first = queue.shift()
    if (first !== undefined) return Promise.resolve(first)
    return new Promise((resolve) => this.#waiting.set(inbox, resolve))
  }

  #tellOf(subject: string): void {
    for (const watch of [...this.#watches]) if (watch.subject === subject) watch.tell()
  }

  #arrive(
    to: string,
    subject: string,
    reply: string,
    headers: Uint8Array,
    payload: Uint8Array,
  ): void {
    const message = {
      to,
      subject,
      reply,
      headers: Buffer.from(headers).toString(),
      payload: Buffer.from(payload).toString(),
    }
    if (this.lost.has(to)) return
    for (const { filter, handle } of [...this.#handlers]) {
      if (!filter.matchesText(to)) continue
      const copy = { subject, reply, headers: Buffer.from(headers), payload: Buffer.from(payload) }
      queueMicrotask(() => handle(copy))
    }
    const waiter = this.#waiting.get(to)
    this.#waiting.delete(to)
    if (waiter !== undefined) waiter(message)
    else this.inboxes.set(to, [...(this.inboxes.get(to) ?? []), message])
  }
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString()
}

function headerBlock(headers: Record<string, string> | undefined): Uint8Array {
  if (headers === undefined) return NOTHING
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`)
}
