import { CONNECT, RawSocket } from './raw-socket.ts'

/**
 * One message as the generator needs it: its control line is [start, lineEnd) of the chunk, which is
 * valid during the call.
 */
export type OnMessage = (
  chunk: Buffer,
  start: number,
  lineEnd: number,
  payloadStart: number,
  payloadEnd: number,
) => void

const CR = 13
const LF = 10
const ZERO = 48
const SPACE = 32
const LETTER_B = 98
const LETTER_H = 72
const LETTER_M = 77
const API_INBOX = Buffer.from('MSG _INBOX.bench 9 ')

/**
 * A NATS client that parses as little as a JetStream client must: the control line of each message, to
 * know where the next one begins. It makes no strings, or it would be slower than what it measures.
 */
export class StreamSocket {
  readonly raw: RawSocket
  onMessage: OnMessage = () => {}
  #rest: Buffer = Buffer.alloc(0)
  #lineLength = 0
  #waiting: ((body: string) => void) | undefined

  private constructor(raw: RawSocket) {
    this.raw = raw
  }

  static async connect(server: {
    readonly host: string
    readonly port: number
  }): Promise<StreamSocket> {
    const socket = new StreamSocket(new RawSocket(server))
    await socket.raw.settle(`${CONNECT}SUB _INBOX.bench 9\r\n`)
    socket.raw.onBytes = (bytes) => socket.#take(bytes)
    return socket
  }

  /** One request of the JetStream API; throws what its error says. */
  async request(subject: string, body: object = {}): Promise<Record<string, unknown>> {
    const text = JSON.stringify(body)
    const answered = new Promise<string>((resolve) => {
      this.#waiting = resolve
    })
    this.raw.socket.write(
      `PUB $JS.API.${subject} _INBOX.bench ${Buffer.byteLength(text)}\r\n${text}\r\n`,
    )
    const answer = JSON.parse(await answered) as Record<string, unknown>
    if (answer['error'] !== undefined) {
      throw new Error(`${subject}: ${JSON.stringify(answer['error'])}`)
    }
    return answer
  }

  close(): void {
    this.raw.socket.destroy()
  }

  #take(bytes: Uint8Array): void {
    // The reader's buffer is used again: what is left of a message is copied.
    const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
    const chunk = this.#rest.length === 0 ? view : Buffer.concat([this.#rest, view])
    let at = 0
    while (at < chunk.length) {
      const lineEnd = this.#lineEnd(chunk, at)
      if (lineEnd + 2 > chunk.length) break
      if (chunk[at] !== LETTER_M && chunk[at] !== LETTER_H) {
        at = lineEnd + 2
        continue
      }
      const payloadStart = lineEnd + 2
      const payloadEnd = payloadStart + sizeBefore(chunk, lineEnd)
      if (payloadEnd + 2 > chunk.length) break
      this.#hand(chunk, at, lineEnd, payloadStart, payloadEnd)
      at = payloadEnd + 2
    }
    this.#rest = at === chunk.length ? Buffer.alloc(0) : Buffer.from(chunk.subarray(at))
  }

  /** Messages of a stream have lines as long as the one before, mostly, and a payload without a line end. */
  #lineEnd(chunk: Buffer, start: number): number {
    const isOfStream = chunk[start] === LETTER_M && chunk[start + 4] === LETTER_B
    let end = start + this.#lineLength
    if (isOfStream && chunk[end] === CR && chunk[end + 1] === LF) return end
    for (end = start; end < chunk.length && chunk[end] !== CR; ) end++
    if (isOfStream) this.#lineLength = end - start
    return end
  }

  #hand(
    chunk: Buffer,
    start: number,
    lineEnd: number,
    payloadStart: number,
    payloadEnd: number,
  ): void {
    const waiting = this.#waiting
    if (waiting !== undefined && isAnswer(chunk, start)) {
      this.#waiting = undefined
      waiting(chunk.toString('utf8', payloadStart, payloadEnd))
    } else this.onMessage(chunk, start, lineEnd, payloadStart, payloadEnd)
  }
}

/** The last word of a control line. */
function sizeBefore(chunk: Buffer, lineEnd: number): number {
  let size = 0
  let at = lineEnd
  for (let unit = 1; chunk[--at] !== SPACE; unit *= 10) size += ((chunk[at] ?? 0) - ZERO) * unit
  return size
}

function isAnswer(chunk: Buffer, start: number): boolean {
  return chunk.compare(API_INBOX, 0, API_INBOX.length, start, start + API_INBOX.length) === 0
}
