/**
 * Makes a stream of what a backup holds. Until the end of the backup has come the stream is nobody's: no one
 * finds it, it takes no messages, and a start of the server removes it.
 */
import type { Clock } from '../../runtime/index.ts'
import type { StreamStore } from '../../store/index.ts'
import { isLiteral, isValidSubject } from '../../subject/index.ts'
import { consumerConfig, withThreshold } from '../config/consumer-checks.ts'
import type { StreamConfig } from '../config/stream-config.ts'
import { storeConsumer } from '../consumer/consumer-records.ts'
import { encodeConsumerState } from '../consumer/consumer-state.ts'
import { storeState } from '../consumer/state-copies.ts'
import { JetStreamError } from '../jetstream-error.ts'
import { isObject, parseJson } from '../json-fields.ts'
import { RECORD_OVERHEAD_BYTES, RESTORE_LOST_NAMED_MAX, RESTORED_SEQ_MAX } from '../limits.ts'
import { parseMessageTtl } from '../publish/message-ttl.ts'
import { parsePublishHeaders } from '../publish/publish-headers.ts'
import { RestoredPlaces } from '../sourcing/restored-places.ts'
import type { Stream } from '../stream.ts'
import { type ArchiveEntry, isArchiveEnd } from './archive.ts'
import { ackWaitMsOf, msOf } from './backup-times.ts'
import { decodeBackup, invalid, restoredState } from './consumer-backup.ts'
import { LEGACY_BEGIN } from './legacy-reader.ts'
import type { RestoreHost } from './restore-host.ts'
import { PLACES_FIELD } from './snapshot-source.ts'

/** Messages that are damaged and cannot be read; not of all of them the sequences are known. */
export interface Lost {
  readonly msgs: readonly number[]
  readonly bytes: number
}

export class RestoreSink {
  readonly #host: RestoreHost
  readonly #config: StreamConfig
  readonly #clock: Clock
  #store: StreamStore | undefined
  #lastSeq = 0
  #consumersLeft = 0
  #isWhole = false
  #isLegacy = false
  #takenBytes = 0
  readonly #askedState: unknown
  /** Of a backup of the old kind: what lies before is there still, and does not count. */
  #legacyFirstSeq = 0
  readonly #places: RestoredPlaces
  readonly #lostSeqs: number[] = []
  #lostBytes = 0

  /** @param askedState the state that the request names, which backups of the old kind do not hold */
  constructor(host: RestoreHost, config: StreamConfig, clock: Clock, askedState: unknown) {
    this.#host = host
    this.#config = config
    this.#clock = clock
    this.#askedState = askedState
    this.#places = new RestoredPlaces(config)
  }

  /** The next entry. Throws what is wrong with it, with the account's room or with the store. */
  async take(entry: ArchiveEntry): Promise<void> {
    if (this.#isWhole) return
    if (this.#store === undefined) await this.#begin(entry)
    else if (entry.damagedBytes !== undefined)
      this.#lose(this.#store, entry.seq, entry.damagedBytes)
    else if (this.#consumersLeft > 0) this.#addConsumer(this.#store, entry)
    else if (entry.isDeletion) this.#store.remove(entry.seq)
    else if (entry.seq > 0) this.#addMessage(this.#store, entry)
    else if (isArchiveEnd(entry)) this.#isWhole = true
    else if (this.#isLegacy) this.#addConsumer(this.#store, entry)
    else invalid('expected message sequence')
  }

  /** What the backup holds damaged, as nats-server tells of such; undefined when all is whole. */
  get lost(): Lost | undefined {
    if (this.#lostBytes === 0) return undefined
    return {
      msgs: this.#lostSeqs.filter((seq) => this.#store?.has(seq) === false),
      bytes: this.#lostBytes,
    }
  }

  /** Resolves when all that was taken is on disk. */
  settled(): Promise<void> {
    return this.#host.settled()
  }

  /** The stream, from now on everybody's. Throws when the backup has not come to its end. */
  async finish(): Promise<Stream> {
    const store = this.#store
    if (store === undefined || !this.#isWhole) return invalid('EOF')
    if (this.#lastSeq > store.assignedSeq) store.skipTo(this.#lastSeq + 1)
    this.#places.keepIn(store.states)
    await this.settled()
    if (this.#legacyFirstSeq > 1) await store.purge({ throughSeq: this.#legacyFirstSeq - 1 })
    this.#giveBack()
    return this.#host.adopt(store, this.#config)
  }

  /** Nothing is left behind. */
  async abandon(): Promise<void> {
    this.#giveBack()
    await this.#host.discard(this.#config.name)
  }

  async #begin({ name, payload }: ArchiveEntry): Promise<void> {
    this.#isLegacy = name === LEGACY_BEGIN
    if (!this.#isLegacy && name !== 'state.json') invalid('expected state.json first')
    const state = this.#isLegacy ? this.#askedState : parseJson(payload)
    if (!isObject(state)) return invalid('error in state.json')
    const { first_seq, last_seq, consumer_count } = state
    const firstSeq = countOf(first_seq)
    this.#lastSeq = countOf(last_seq)
    this.#store = await this.#host.create(this.#config)
    if (this.#isLegacy) {
      this.#legacyFirstSeq = firstSeq
      return
    }
    this.#consumersLeft = countOf(consumer_count)
    this.#places.told(state[PLACES_FIELD])
    // A stream whose first messages are gone, perhaps all, goes on counting where it was.
    if (firstSeq > 1) this.#store.skipTo(firstSeq)
  }

  #addConsumer(store: StreamStore, { name, payload }: ArchiveEntry): void {
    if (this.#consumersLeft > 0) this.#consumersLeft--
    const [folder, consumer = '', ...rest] = name.split('/')
    if (folder !== 'consumers' || rest.length > 0) invalid(`expected consumer, found "${name}"`)
    const { request, state } = decodeBackup(consumer, payload)
    const config = withThreshold(consumerConfig(request, consumer, this.#config))
    const now = { wallMs: this.#clock.wallMs(), monotonicMs: this.#clock.monotonicMs() }
    const restored = restoredState(state, ackWaitMsOf(config), now)
    storeState(store.states, consumer, encodeConsumerState(restored, now.monotonicMs), 'both')
    storeConsumer(store.states, config, now.wallMs)
  }

  /** Its sequence is what it says, unless that cannot be: a damaged one is not told. */
  #lose(store: StreamStore, seq: number, bytes: number): void {
    this.#lostBytes += bytes
    const canBe = seq > store.assignedSeq && seq <= this.#lastSeq
    if (canBe && this.#lostSeqs.length < RESTORE_LOST_NAMED_MAX) this.#lostSeqs.push(seq)
  }

  #addMessage(store: StreamStore, { name, seq, timeNs, headers, payload }: ArchiveEntry): void {
    if (seq <= store.assignedSeq) {
      // What was there before is what counts, as when nats-server reads such files.
      if (this.#isLegacy) return
      invalid(`message sequence ${seq} out of order`)
    }
    if (!isValidSubject(name) || !isLiteral(name)) invalid(`message sequence ${seq} has no subject`)
    const bytes = headers.length + payload.length
    const { max_msg_size, storage } = this.#config
    if (max_msg_size >= 0 && bytes > max_msg_size) {
      invalid(`message sequence ${seq} exceeds maximum message size`)
    }
    const timeMs = msOf(timeNs)
    this.#places.saw(seq, headers)
    const asked = parsePublishHeaders(headers)
    const ttl = asked.ttl === undefined ? undefined : parseMessageTtl(asked.ttl)
    const isExpired = ttl !== undefined && ttl > 0 && timeMs + ttl * 1000 < this.#clock.wallMs()
    if (isExpired) {
      store.skipTo(seq + 1)
      return
    }
    const size = bytes + name.length + RECORD_OVERHEAD_BYTES
    this.#host.room.check(storage, size)
    this.#host.room.count(storage, size)
    this.#takenBytes += size
    if (seq > store.assignedSeq + 1) store.skipTo(seq)
    const isMarked = ttl !== undefined || asked.schedule !== undefined
    store.append(Buffer.from(name), headers, payload, undefined, timeMs, isMarked)
  }

  #giveBack(): void {
    if (this.#takenBytes > 0) this.#host.room.settle(this.#config.storage, -this.#takenBytes)
    this.#takenBytes = 0
  }
}

function countOf(value: unknown): number {
  if (value === undefined) return 0
  const isCount =
    typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= RESTORED_SEQ_MAX
  return isCount ? value : invalid('error in state.json')
}

/** What a failed restore is answered with: what the API has a number for under that, the rest as 10062. */
export function restoreError(error: unknown, text: string): JetStreamError {
  return error instanceof JetStreamError ? error : new JetStreamError(10062, text)
}
