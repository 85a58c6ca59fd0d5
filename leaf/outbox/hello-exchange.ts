import type { NatsClient } from '../../shared/client/index.ts'
import type { Log } from '../../shared/log/index.ts'
import type { StateTable } from '../../shared/store/index.ts'
import {
  decodeHelloReply,
  encodeJson,
  fingerprint,
  type Hello,
  type HelloReply,
  helloSubject,
  type Welcome,
} from '../../shared/sync/index.ts'
import type { LeafBuffer } from '../buffers/index.ts'
import type { LeafIdentity } from './leaf-identity.ts'
import { HELLO_DEADLINE_MS } from './limits.ts'

const HOME_KEY = 'sync:home'

/** Where a buffer goes on: at the hub's watermark, or not at all before it has a new incarnation. */
export type Resumption =
  | { readonly name: 'continue'; readonly watermark: number }
  | { readonly name: 'renew'; readonly reason: string }

/**
 * Saying hello: the leaf tells what it has, its home tells how far it is, and both go on from there.
 * The home is remembered in the store, because no other hub knows the watermarks.
 */
export class HelloExchange {
  readonly #identity: LeafIdentity
  readonly #client: NatsClient
  readonly #marks: StateTable
  readonly #log: Log
  #hasWarned = false

  constructor(identity: LeafIdentity, client: NatsClient, marks: StateTable, log: Log) {
    this.#identity = identity
    this.#client = client
    this.#marks = marks
    this.#log = log
  }

  /** '' before the first welcome. */
  get home(): string {
    return Buffer.from(this.#marks.get(HOME_KEY) ?? []).toString()
  }

  /** The subject that somebody serves now; undefined when no hub is in sight. */
  get reachable(): string | undefined {
    const own = helloSubject(this.home)
    if (this.#client.hasInterest(own)) return own
    const anywhere = helloSubject('')
    return this.#client.hasInterest(anywhere) ? anywhere : undefined
  }

  async greet(
    subject: string,
    buffers: readonly LeafBuffer[],
    signal: AbortSignal,
  ): Promise<HelloReply> {
    const { home } = this
    const hello: Hello = {
      v: 1,
      ...this.#identity,
      home,
      buffers: buffers.map((buffer) => ({
        name: buffer.name,
        incarnation: buffer.incarnation,
        first_seq: buffer.store.state.firstSeq,
        last_seq: buffer.store.state.lastSeq,
        synced_seq: buffer.syncedSeq,
        base_seq: buffer.baseSeq,
      })),
    }
    const answer = await this.#client.request(subject, encodeJson(hello), {
      deadlineMs: HELLO_DEADLINE_MS,
      signal,
    })
    const reply = decodeHelloReply(answer.payload)
    if (reply.status !== 'welcome' || reply.home === home) return reply
    if (home !== '' && !knowsAll(reply, buffers)) return this.#notHome(home, reply.home)
    this.#marks.set(HOME_KEY, Buffer.from(reply.home))
    const fields = home === '' ? {} : { before: home }
    this.#log.info({ home: reply.home, ...fields }, 'buffers have a home')
    return reply
  }

  #notHome(home: string, other: string): HelloReply {
    const reason = `the buffers' home is ${home}, and it does not answer; ${other} does, but does not know their watermarks: start ${home} again, or give its store to ${other}`
    if (!this.#hasWarned) this.#log.warn({ home, other }, reason)
    this.#hasWarned = true
    return { v: 1, status: 'refused', reason }
  }
}

/** A hub that knows every history that was ever synced is the same home under another name. */
function knowsAll(welcome: Welcome, buffers: readonly LeafBuffer[]): boolean {
  const known = new Set(
    welcome.buffers.filter((it) => it.watermark !== null).map((it) => it.incarnation),
  )
  return buffers.every((buffer) => buffer.syncedSeq === 0 || known.has(buffer.incarnation))
}

/** Whether what the hub has is the beginning of what this buffer has. */
export async function resume(buffer: LeafBuffer, welcome: Welcome): Promise<Resumption> {
  const told = welcome.buffers.find(
    (it) => it.name === buffer.name && it.incarnation === buffer.incarnation,
  )
  const watermark = told?.watermark ?? null
  if (watermark === null || watermark === buffer.syncedSeq) {
    return { name: 'continue', watermark: buffer.syncedSeq }
  }
  const { lastSeq } = buffer.store.state
  if (watermark > lastSeq) {
    return { name: 'renew', reason: `the hub has ${watermark}, this leaf ends at ${lastSeq}` }
  }
  const record = watermark > buffer.syncedSeq ? await buffer.store.get(watermark) : undefined
  const expected = told?.fingerprint ?? null
  if (record !== undefined && expected !== null && fingerprint(record) !== expected) {
    return { name: 'renew', reason: `record ${watermark} is not the one that the hub has` }
  }
  return { name: 'continue', watermark }
}
