/** Random operations on a store and its model at once. */
import type { SeededRandom } from '../../shared/runtime/index.ts'
import type { Store } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'
import { bytes, noLimits } from './opened-store.ts'
import { ModelStream, type StoreModel } from './store-model.ts'

/** An operation that was begun: how the model changes, and whether the store has acknowledged it. */
export interface Step {
  readonly name: string
  readonly change: (model: StoreModel) => void
  isAcked: boolean
  /** Acknowledged before its sync: a power cut may take it back, and all such behind the last sync. */
  readonly isLazy?: boolean
  error: Error | undefined
}

const STREAMS = ['a', 'b', 'c']
/** Does not wait for syncs. */
const LAZY_STREAM = 'c'
const LAZY_SYNC_MS = 400
/** Stores its messages compressed; so little is enough for a dictionary then. */
const COMPRESSED_STREAMS = ['b', 'c']
export const DICTIONARY_BYTES = 256
const FILTERS = ['s.1', 's.*', 't.>', '>']

export class StoreCommands {
  readonly random: SeededRandom
  readonly steps: Step[] = []
  #serial = 0

  constructor(random: SeededRandom) {
    this.random = random
  }

  /** Creates the streams of the test. */
  begin(store: Store): void {
    for (const name of STREAMS) {
      const step = this.#step(`create ${name}`, (model) =>
        model.streams.set(name, new ModelStream()),
      )
      store.createStream(name, bytes(name), noLimits, this.#ack(step), {
        sync: name === LAZY_STREAM ? { everyMs: LAZY_SYNC_MS } : 'always',
        compression: COMPRESSED_STREAMS.includes(name) ? 's2' : 'none',
      })
    }
  }

  /** One operation; `purge` resolves later than the others. */
  async one(store: Store): Promise<void> {
    const roll = this.random.below(100)
    if (roll < 62) this.append(store)
    else if (roll < 74) this.remove(store)
    else if (roll < 80) await this.purge(store)
    else if (roll < 88) this.state(store)
    else if (roll < 91) this.skipAhead(store)
    else this.transaction(store)
  }

  append(store: Store): void {
    const name = this.#pick(STREAMS)
    const subject = this.#subject()
    const payload = this.#payload()
    const isMarked = this.random.below(5) === 0
    const step = this.#step(
      `append ${name} ${subject}`,
      (model) => model.stream(name).append(subject, payload, isMarked),
      name === LAZY_STREAM,
    )
    const stream = store.streams.get(name)
    const ack = this.#ack(step)
    stream?.append(bytes(subject), bytes(''), bytes(payload), ack, undefined, isMarked)
  }

  /** Mostly a little, sometimes further than 32 bits count. */
  skipAhead(store: Store): void {
    const name = this.#pick(STREAMS)
    const stream = store.streams.get(name)
    if (stream === undefined) return
    const by = this.random.below(30) === 0 ? 2 ** 33 : this.random.below(9)
    const seq = stream.assignedSeq + 1 + by
    const step = this.#step(`skip ${name} to ${seq}`, (model) => model.stream(name).skipTo(seq))
    stream.skipTo(seq, this.#ack(step))
  }

  remove(store: Store): void {
    const name = this.#pick(STREAMS)
    const stream = store.streams.get(name)
    if (stream === undefined || stream.state.messages === 0) return
    const { firstSeq, lastSeq } = stream.state
    const seq = firstSeq + this.random.below(lastSeq - firstSeq + 1)
    const step: Step = {
      name: `remove ${name} ${seq}`,
      change: (model) => model.stream(name).remove(seq),
      isAcked: false,
      error: undefined,
    }
    if (stream.remove(seq, this.#ack(step))) this.steps.push(step)
  }

  async purge(store: Store): Promise<void> {
    const name = this.#pick(STREAMS)
    const stream = store.streams.get(name)
    if (stream === undefined) return
    await committedBarrier(store)
    const throughSeq = this.random.below(stream.state.lastSeq + 1)
    const filter = this.#pick(FILTERS)
    const keep = this.random.below(3)
    const step = this.#step(`purge ${name} ${throughSeq} ${filter} ${keep}`, (model) =>
      model.stream(name).purge(throughSeq, filter, keep),
    )
    await stream
      .purge({ throughSeq, filter: new SubjectFilter(filter), keep }, this.#ack(step))
      .catch(() => {})
  }

  state(store: Store): void {
    const key = `k${this.random.below(4)}`
    const value = this.random.below(5) === 0 ? undefined : this.#payload()
    const name = this.random.below(2) === 0 ? '' : this.#pick(STREAMS)
    const change = (model: StoreModel): void => {
      const map = name === '' ? model.marks : model.stream(name).states
      if (value === undefined) map.delete(key)
      else map.set(key, value)
    }
    const step = this.#step(`state ${name} ${key}`, change, name === LAZY_STREAM)
    const table = name === '' ? store.marks : store.streams.get(name)?.states
    if (value === undefined) table?.remove(key, this.#ack(step))
    else table?.set(key, bytes(value), this.#ack(step))
  }

  /** Messages in two streams and a mark, all or nothing. */
  transaction(store: Store): void {
    const items = Array.from(
      { length: this.random.below(12) === 0 ? 60 : 1 + this.random.below(4) },
      () => ({
        name: this.#pick(STREAMS),
        subject: this.#subject(),
        payload: this.#payload(),
      }),
    )
    const mark = `${this.#serial++}`
    const step = this.#step(`transaction of ${items.length}`, (model) => {
      for (const { name, subject, payload } of items) model.stream(name).append(subject, payload)
      model.marks.set('tx', mark)
    })
    store.transaction(() => {
      for (const { name, subject, payload } of items) {
        store.streams.get(name)?.append(bytes(subject), bytes(''), bytes(payload))
      }
      store.marks.set('tx', bytes(mark), this.#ack(step))
    })
  }

  #step(name: string, change: (model: StoreModel) => void, isLazy = false): Step {
    const step = { name, change, isAcked: false, isLazy, error: undefined }
    this.steps.push(step)
    return step
  }

  #ack(step: Step): (error: Error | undefined) => void {
    return (error) => {
      step.error = error
      step.isAcked = error === undefined
    }
  }

  #subject(): string {
    return this.#pick(['s.1', 's.2', 's.3', 't.x.y', 't.z', 'u'])
  }

  #payload(): string {
    if (this.random.below(2) === 0) return this.#reading()
    return `${this.#serial++}`.padEnd(
      this.random.below(20) === 0 ? 900 : this.random.below(60),
      '.',
    )
  }

  /** Short, and much like all others: what is compressed with a dictionary. */
  #reading(): string {
    const sensor = `sensor-${this.random.below(9)}`
    return `{"serial":${this.#serial++},"sensor":"${sensor}","value":${this.random.below(10_000)}}`
  }

  #pick<T>(items: readonly T[]): T {
    return items[this.random.below(items.length)]!
  }
}

export function committedBarrier(store: Store): Promise<void> {
  return new Promise((resolve) => store.barrier(() => resolve()))
}
