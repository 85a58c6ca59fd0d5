import { CONNECT, RawSocket } from './raw-socket.ts'

/** One message as the generator needs it: views on the chunk, valid during the call. */
export type OnMessage = (
  line: string,
  chunk: Buffer,
  payloadStart: number,
  payloadEnd: number,
) => void

const CRLF = Buffer.from('\r\n')

/**
 * A NATS client that parses as little as a JetStream client must: the control line of each message, to
 * know its reply subject and where the next one begins.
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
    for (;;) {
      const lineEnd = chunk.indexOf(CRLF, at)
      if (lineEnd < 0) break
      const isMessage = chunk[at] === 77 || chunk[at] === 72
      if (!isMessage) {
        at = lineEnd + 2
        continue
      }
      const line = chunk.toString('latin1', at, lineEnd)
      const payloadStart = lineEnd + 2
      const payloadEnd = payloadStart + Number(line.slice(line.lastIndexOf(' ') + 1))
      if (payloadEnd + 2 > chunk.length) break
      this.#hand(line, chunk, payloadStart, payloadEnd)
      at = payloadEnd + 2
    }
    this.#rest = at === chunk.length ? Buffer.alloc(0) : Buffer.from(chunk.subarray(at))
  }

  #hand(line: string, chunk: Buffer, start: number, end: number): void {
    if (this.#waiting !== undefined && line.startsWith('MSG _INBOX.bench 9 ')) {
      const waiting = this.#waiting
      this.#waiting = undefined
      waiting(chunk.toString('utf8', start, end))
    } else this.onMessage(line, chunk, start, end)
  }
}
