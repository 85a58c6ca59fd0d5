/** What a store must hold, as arrays: the other side of the property tests. */
import type { Store, StreamStore } from '../../shared/store/index.ts'
import { SubjectFilter } from '../../shared/subject/index.ts'

export interface ModelMessage {
  readonly seq: number
  readonly subject: string
  readonly payload: string
  readonly isMarked: boolean
}

export class ModelStream {
  messages: ModelMessage[] = []
  lastSeq = 0
  readonly states = new Map<string, string>()
  messagesMax = 0
  perSubjectMax = 0

  append(subject: string, payload: string, isMarked = false): void {
    this.messages.push({ seq: ++this.lastSeq, subject, payload, isMarked })
    this.enforce()
  }

  skipTo(seq: number): void {
    this.lastSeq = seq - 1
  }

  remove(seq: number): boolean {
    const before = this.messages.length
    this.messages = this.messages.filter((message) => message.seq !== seq)
    return this.messages.length < before
  }

  purge(throughSeq: number, filter: string, keep: number): number {
    const compiled = new SubjectFilter(filter)
    const hit = this.messages.filter(
      ({ seq, subject }) => seq <= throughSeq && compiled.matchesText(subject),
    )
    const gone = new Set(hit.slice(0, Math.max(0, hit.length - keep)).map(({ seq }) => seq))
    this.messages = this.messages.filter(({ seq }) => !gone.has(seq))
    return gone.size
  }

  enforce(): void {
    if (this.perSubjectMax > 0) {
      const left = new Map<string, number>()
      this.messages = this.messages
        .toReversed()
        .filter(({ subject }) => {
          const count = (left.get(subject) ?? 0) + 1
          left.set(subject, count)
          return count <= this.perSubjectMax
        })
        .toReversed()
    }
    if (this.messagesMax > 0 && this.messages.length > this.messagesMax) {
      this.messages = this.messages.slice(-this.messagesMax)
    }
  }
}

export class StoreModel {
  readonly streams = new Map<string, ModelStream>()
  readonly marks = new Map<string, string>()

  stream(name: string): ModelStream {
    const stream = this.streams.get(name)
    if (stream === undefined) throw new Error(`model has no stream ${name}`)
    return stream
  }

  /** Everything that can be seen, in one comparable value. */
  picture(): unknown {
    return {
      marks: [...this.marks].sort(),
      streams: [...this.streams]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([name, stream]) => ({
          name,
          states: [...stream.states].sort(),
          messages: stream.messages.map(
            ({ seq, subject, payload }) => `${seq} ${subject} ${payload}`,
          ),
          marked: stream.messages.filter(({ isMarked }) => isMarked).map(({ seq }) => seq),
          lastSeq: stream.lastSeq,
          firstSeq: stream.messages[0]?.seq ?? (stream.lastSeq === 0 ? 0 : stream.lastSeq + 1),
          subjects: countSubjects(stream.messages),
        })),
    }
  }
}

/** The same of a store, read message by message from disk. */
export async function pictureOf(store: Store): Promise<unknown> {
  const streams: unknown[] = []
  for (const [name, stream] of [...store.streams].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const messages = await messagesOf(stream)
    const { state } = stream
    if (state.messages !== messages.length) {
      throw new Error(`${name} says ${state.messages} messages and shows ${messages.length}`)
    }
    for (const { subject, seq } of messages) {
      if (stream.lastSeqOf(subject) < seq) throw new Error(`lastSeqOf ${subject} is before ${seq}`)
    }
    streams.push({
      name,
      states: textEntries(stream.states.entries()),
      messages: messages.map(({ seq, subject, payload }) => `${seq} ${subject} ${payload}`),
      marked: await markedOf(stream),
      lastSeq: state.lastSeq,
      firstSeq: state.firstSeq,
      subjects: [...stream.subjects(new SubjectFilter('>'), 1000)].sort(),
    })
  }
  return { marks: textEntries(store.marks.entries()), streams }
}

async function markedOf(stream: StreamStore): Promise<number[]> {
  const seqs: number[] = []
  for await (const { seq } of stream.marked()) seqs.push(seq)
  return seqs
}

async function messagesOf(stream: StreamStore): Promise<Omit<ModelMessage, 'isMarked'>[]> {
  const all: Omit<ModelMessage, 'isMarked'>[] = []
  for (let fromSeq = 1; fromSeq <= stream.state.lastSeq; ) {
    const batch = await stream.read({ fromSeq, messagesMax: 7, bytesMax: 700 })
    for (const { seq, subject, payload } of batch.messages) {
      all.push({ seq, subject, payload: Buffer.from(payload).toString() })
    }
    fromSeq = batch.nextSeq
  }
  return all
}

function textEntries(entries: Iterable<[string, Uint8Array]>): [string, string][] {
  return [...entries]
    .map(([key, value]): [string, string] => [key, Buffer.from(value).toString()])
    .sort()
}

function countSubjects(messages: readonly ModelMessage[]): [string, number][] {
  const counts = new Map<string, number>()
  for (const { subject } of messages) counts.set(subject, (counts.get(subject) ?? 0) + 1)
  return [...counts].sort()
}
