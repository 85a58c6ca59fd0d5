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
const SPACE = 32
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
      let lineEnd = at
      let size = 0
      for (; lineEnd < chunk.length && chunk[lineEnd] !== CR; lineEnd++) {
        const byte = chunk[lineEnd] ?? 0
        // What is read of other words is thrown away at the next space.
        size = byte === SPACE ? 0 : size * 10 + byte - 48
      }
      if (lineEnd + 2 > chunk.length) break
      if (chunk[at] !== LETTER_M && chunk[at] !== LETTER_H) {
        at = lineEnd + 2
        continue
      }
      const payloadStart = lineEnd + 2
      const payloadEnd = payloadStart + size
      if (payloadEnd + 2 > chunk.length) break
      this.#hand(chunk, at, lineEnd, payloadStart, payloadEnd)
      at = payloadEnd + 2
    }
    this.#rest = at === chunk.length ? Buffer.alloc(0) : Buffer.from(chunk.subarray(at))
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

function isAnswer(chunk: Buffer, start: number): boolean {
  return chunk.compare(API_INBOX, 0, API_INBOX.length, start, start + API_INBOX.length) === 0
}
