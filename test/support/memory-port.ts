/**
 * The messaging side of a stream engine, in memory: routes to handlers and captures at once, and
 * keeps what is published to inboxes for the test to look at.
 */
import type { PetioleError } from '../../shared/runtime/index.ts'
import type { CapturedMessage, PortMessage, StreamPort } from '../../shared/stream/index.ts'
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
  #inboxes = 0

  publish(subject: string, reply: string, headers: Uint8Array, payload: Uint8Array): void {
    this.#arrive(subject, subject, reply, headers, payload)
  }

  deliver(
    inbox: string,
    subject: Uint8Array,
    reply: string,
    headers: Uint8Array,
    payload: Uint8Array,
  ): void {
    this.#arrive(inbox, Buffer.from(subject).toString(), reply, headers, payload)
  }

  subscribe(subject: string, handle: (request: PortMessage) => void): () => void {
    const entry = { filter: new SubjectFilter(subject), handle }
    this.#handlers.add(entry)
    return () => this.#handlers.delete(entry)
  }

  capture(subject: string, capture: (message: CapturedMessage) => void): () => void {
    const entry = { filter: new SubjectFilter(subject), capture }
    this.#captures.add(entry)
    return () => this.#captures.delete(entry)
  }

  hasInterest(subject: string): boolean {
    return !this.deaf.has(subject)
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
    const waiter = this.#waiting.get(to)
    this.#waiting.delete(to)
    if (waiter !== undefined) waiter(message)
    else this.inboxes.set(to, [...(this.inboxes.get(to) ?? []), message])
  }
}

function headerBlock(headers: Record<string, string> | undefined): Uint8Array {
  if (headers === undefined) return NOTHING
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
  return Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`)
}
