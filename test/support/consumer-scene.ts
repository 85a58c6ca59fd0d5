/**
 * What happens at one server while a script is acted out there, as facts that can be held against those
 * of another server: answers, messages, statuses and advisories, without what differs from run to run.
 */
import type { Msg, NatsConnection, Subscription } from '@nats-io/transport-node'
import { createInbox, headers, nanos } from '@nats-io/transport-node'
import { DEADLINE_MS } from './patience.ts'

export interface Delivered {
  readonly reply: string
  readonly seq: number
}

/**
 * What is not answered after so long, while so many later requests were, is not: no later answer is ordered
 * behind this one, and a server that stands still answers none.
 */
const ANSWER_MS = 1_500
const ANSWERS_MEANWHILE = 200

/** Different at each run: times, and how long something took. */
const VARYING = new Set(['created', 'ts', 'timestamp', 'id', 'last_active', 'first_ts', 'last_ts'])
const ROUGH = new Set(['pause_remaining', 'ack_time', 'pinned_ts', 'pinned_client_id', 'pinned_id'])
const VERSIONS = new Set(['_nats.ver', '_nats.level'])
/** nats-server counts its own overhead. */
const OWN = new Set(['bytes', 'client', 'server'])

/** The machine was too slow for a script to mean what it says: it is to be acted out again. */
export class Late extends Error {}

export class Scene {
  readonly facts: unknown[] = []
  readonly pins: string[] = []
  readonly #connection: NatsConnection
  readonly #inboxes = new Map<string, Inbox>()
  #advisories: Inbox | undefined
  #inboxCount = 0
  #isPendingFact = true
  readonly #prefix = createInbox()

  constructor(connection: NatsConnection) {
    this.#connection = connection
  }

  async api(subject: string, request: object | string = ''): Promise<Record<string, unknown>> {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    const answer = await this.#connection.request(`$JS.API.${subject}`, text, {
      timeout: DEADLINE_MS,
    })
    const body = answer.json<Record<string, unknown>>()
    this.facts.push([subject, comparable(body)])
    return body
  }

  /** Of messages that are delivered while others are published: how many of these it had come to by then is no fact. */
  hidePending(): void {
    this.#isPendingFact = false
  }

  stream(name: string, config: object = {}): Promise<unknown> {
    return this.api(`STREAM.CREATE.${name}`, { name, subjects: [`${name}.>`], ...config })
  }

  consumer(stream: string, name: string, config: object = {}): Promise<unknown> {
    return this.api(`CONSUMER.CREATE.${stream}.${name}`, {
      stream_name: stream,
      config: { durable_name: name, name, ack_policy: 'explicit', ...config },
    })
  }

  async publish(
    subject: string,
    payload = 'x',
    fields: Record<string, string> = {},
  ): Promise<void> {
    const block = headers()
    for (const [name, value] of Object.entries(fields)) block.set(name, value)
    const answer = await this.#connection.request(subject, payload, {
      timeout: DEADLINE_MS,
      headers: block,
    })
    this.facts.push([subject, answer.json()])
  }

  /**
   * Sends a pull request and waits until `count` messages and statuses have come of it.
   * @returns the messages among them
   */
  async pull(
    [stream, consumer]: readonly [string, string],
    request: object | string,
    count: number,
    inbox = this.newInbox(),
  ): Promise<readonly Delivered[]> {
    this.send([stream, consumer], request, inbox)
    return this.take(inbox, count)
  }

  /**
   * Sends a pull request without an answer but heartbeats and its end. How many heartbeats a loaded machine
   * has time for is no fact; that they come is, and a request that saw none is made again.
   */
  async pullNothing(place: readonly [string, string], request: object): Promise<void> {
    const inbox = this.newInbox()
    for (;;) {
      const seen: Msg[] = []
      this.send(place, request, inbox)
      for (;;) {
        const [message] = await this.#listen(inbox).next(1)
        if (message === undefined) throw new Error(`no end of ${JSON.stringify(request)}`)
        seen.push(message)
        if (message.headers?.code !== 100) break
      }
      const [first, last] = [seen[0], seen.at(-1)]
      if (first === undefined || last === undefined || first === last) continue
      this.leave(inbox)
      this.facts.push(['nothing', this.#shown(first), this.#shown(last)])
      return
    }
  }

  /** What must be done within a time, or means something else. */
  async inTime<Result>(limitMs: number, work: () => Promise<Result>): Promise<Result> {
    const beganMs = performance.now()
    const result = await work()
    if (performance.now() - beganMs >= limitMs) throw new Late(`not within ${limitMs} ms`)
    return result
  }

  send([stream, consumer]: readonly [string, string], request: object | string, inbox: string) {
    const text = typeof request === 'string' ? request : JSON.stringify(request)
    this.#listen(inbox)
    this.#connection.publish(`$JS.API.CONSUMER.MSG.NEXT.${stream}.${consumer}`, text, {
      reply: inbox,
    })
  }

  /** The next `count` that come, as facts. */
  async take(inbox: string, count: number): Promise<readonly Delivered[]> {
    const messages = await this.#listen(inbox).next(count)
    this.facts.push([inbox.replace(/^.*\./, ''), messages.map((message) => this.#shown(message))])
    return messages
      .filter(({ reply }) => reply !== undefined && reply !== '')
      .map(({ reply = '' }) => ({ reply, seq: Number(reply.split('.').at(-4)) }))
  }

  /** Nothing comes before the last message of the stream comes to a consumer that is made for it. */
  async quiet(stream: string, inbox: string): Promise<void> {
    const witness = this.newInbox()
    await this.#ask(`CONSUMER.CREATE.${stream}`, {
      stream_name: stream,
      config: { deliver_subject: witness, deliver_policy: 'last', ack_policy: 'none' },
    })
    const [last] = await this.#listen(witness).next(1)
    if (last === undefined) throw new Error(`nothing of ${stream} to see that nothing comes`)
    this.leave(witness)
    this.facts.push([`quiet ${inbox.replace(/^.*\./, '')}`, this.#listen(inbox).count])
  }

  newInbox(): string {
    const inbox = `${this.#prefix}.i${++this.#inboxCount}`
    this.#listen(inbox)
    return inbox
  }

  leave(inbox: string): void {
    this.#inboxes.get(inbox)?.close()
    this.#inboxes.delete(inbox)
  }

  /** Acknowledges, and with `isAsked` tells whether an answer came. */
  async ack({ reply }: Delivered, text = '+ACK', isAsked = true): Promise<void> {
    if (!isAsked) {
      this.#connection.publish(reply, text)
      await this.#connection.flush()
      return
    }
    const inbox = new Inbox(this.#connection.subscribe(createInbox(), { max: 1 }))
    this.#connection.publish(reply, text, { reply: inbox.subject })
    const endMs = performance.now() + ANSWER_MS
    for (let answers = 0; answers < ANSWERS_MEANWHILE || performance.now() < endMs; answers++) {
      if (inbox.count > 0) break
      await this.#ask('INFO')
    }
    this.facts.push([`ack ${text}`, inbox.count > 0])
    inbox.close()
  }

  /** `+NXT`. */
  next({ reply }: Delivered, text: string, inbox: string): void {
    this.#listen(inbox)
    this.#connection.publish(reply, text, { reply: inbox })
  }

  /**
   * Waits until the consumer knows of so many messages to deliver. nats-server tells it of them beside its answers to
   * their publishers, and a pull that does not wait is refused for what the consumer does not know of yet.
   */
  async untilKnown(stream: string, consumer: string, messages: number): Promise<void> {
    await this.#until(stream, consumer, 'num_pending', messages)
  }

  /** Waits until so many messages are to be acknowledged. */
  async untilPending(stream: string, consumer: string, pending: number): Promise<void> {
    await this.#until(stream, consumer, 'num_ack_pending', pending)
  }

  /** @param except what is not to be held against another's */
  async info(stream: string, consumer: string, ...except: readonly string[]): Promise<void> {
    const info = await this.#ask<Record<string, unknown>>(`CONSUMER.INFO.${stream}.${consumer}`)
    const kept = Object.entries(info).filter(([key]) => !except.includes(key))
    this.facts.push([`info ${consumer}`, comparable(Object.fromEntries(kept))])
  }

  /** Waits until so many pull requests wait. */
  async untilWaiting(stream: string, consumer: string, waiting: number): Promise<void> {
    await this.#until(stream, consumer, 'num_waiting', waiting)
  }

  /** What the stream holds. */
  async state(stream: string): Promise<void> {
    const { state } = await this.#ask<{ state: Record<string, unknown> }>(`STREAM.INFO.${stream}`)
    const { messages, first_seq, last_seq, num_deleted, consumer_count } = state
    this.facts.push([stream, { messages, first_seq, last_seq, num_deleted, consumer_count }])
  }

  /** Waits until the stream holds so many. */
  async until(stream: string, messages: number): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const { state } = await this.#ask<{ state: { messages: number } }>(`STREAM.INFO.${stream}`)
      if (state.messages === messages || Date.now() > deadline) break
    }
    await this.state(stream)
  }

  /** From here on `events` tells of what is advised under the subject. */
  async watch(subject: string): Promise<void> {
    this.#advisories = new Inbox(this.#connection.subscribe(subject))
    await this.#connection.flush()
  }

  async events(count: number): Promise<void> {
    const messages = (await this.#advisories?.next(count)) ?? []
    this.facts.push(
      messages.map((message) => [message.subject, comparable(message.json())] as const),
    )
  }

  async #until(stream: string, consumer: string, key: string, value: number): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS
    for (;;) {
      const info = await this.#ask<Record<string, unknown>>(`CONSUMER.INFO.${stream}.${consumer}`)
      if (info[key] === value || Date.now() > deadline) return
    }
  }

  #listen(inbox: string): Inbox {
    let known = this.#inboxes.get(inbox)
    if (known === undefined) {
      known = new Inbox(this.#connection.subscribe(inbox))
      this.#inboxes.set(inbox, known)
    }
    return known
  }

  async #ask<Answer>(subject: string, request?: object): Promise<Answer> {
    const body = request === undefined ? '' : JSON.stringify(request)
    return (await this.#connection.request(`$JS.API.${subject}`, body)).json<Answer>()
  }

  #shown(message: Msg): unknown {
    const { reply = '', subject } = message
    const block = message.headers
    const fields = Object.fromEntries([...(block ?? [])])
    const pin = block?.get('Nats-Pin-Id') ?? ''
    if (pin !== '' && !this.pins.includes(pin)) this.pins.push(pin)
    if (pin !== '') fields['Nats-Pin-Id'] = [`pin ${this.pins.indexOf(pin)}`]
    const shown = {
      ...fields,
      ...(reply === '' ? {} : { reply: placeOf(reply, this.#isPendingFact) }),
    }
    if (block !== undefined && block.code !== 0) {
      return { status: `${block.code} ${block.description}`, ...shown }
    }
    return { subject, payload: message.string(), ...shown }
  }
}

/** Deliveries, both sequences and what is pending. */
function placeOf(reply: string, isPendingFact: boolean): string {
  const [deliveries, streamSeq, consumerSeq, , pending] = reply.split('.').slice(-5)
  return [deliveries, streamSeq, consumerSeq, isPendingFact ? pending : '?'].join(' ')
}

class Inbox {
  readonly #subscription: Subscription
  readonly #messages: Msg[] = []
  #wake: () => void = () => {}

  constructor(subscription: Subscription) {
    this.#subscription = subscription
    this.#read().catch(() => {})
  }

  get subject(): string {
    return this.#subscription.getSubject()
  }

  get count(): number {
    return this.#messages.length
  }

  close(): void {
    this.#subscription.unsubscribe()
  }

  async next(count: number): Promise<readonly Msg[]> {
    const deadline = Date.now() + DEADLINE_MS
    while (this.#messages.length < count && Date.now() < deadline) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, deadline - Date.now())
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
    return this.#messages.splice(0, count)
  }

  async #read(): Promise<void> {
    for await (const message of this.#subscription) {
      this.#messages.push(message)
      this.#wake()
    }
  }
}

function comparable(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(comparable)
  if (typeof value !== 'object' || value === null) return value
  const entries = Object.entries(value).filter(
    ([key]) => !VARYING.has(key) && !VERSIONS.has(key) && !OWN.has(key),
  )
  return Object.fromEntries(
    entries.map(([key, item]) => {
      if (ROUGH.has(key)) return [key, typeof item]
      if (key === 'pause_until') return [key, String(item).startsWith('0001') ? 'zero' : 'set']
      return [key, comparable(item)]
    }),
  )
}

export const seconds = (count: number): number => nanos(count * 1_000)
