import { ClientParser, type ParsedPublication } from '../../shared/wire/index.ts'

/** Where input lies in the memory of these tests: with slack behind it, as in the arena. */
const MEMORY_BYTES = 512 * 1024
const SLACK = 64

export interface ParserSetup {
  readonly expectsConnect?: boolean
  readonly carryBytesMax?: number
  readonly payloadBytesMax?: number
}

/** A parser with its memory, and the facts that it told, as lines. */
export class ParserTranscript {
  readonly facts: string[] = []
  readonly #bytes = Buffer.alloc(MEMORY_BYTES, 0x37)
  readonly #parser: ClientParser
  readonly #carryBytesMax: number
  #carry = Buffer.alloc(0)
  isStopped = false

  constructor(setup: ParserSetup = {}) {
    const bytes = this.#bytes
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    const { facts } = this
    const text = (start: number, end: number): string => bytes.toString('latin1', start, end)
    const published = (subject: string, reply: string, headers: string, payload: string): void => {
      facts.push(`PUB ${JSON.stringify([subject, reply, headers, payload])}`)
    }
    let subject = ''
    this.#carryBytesMax = setup.carryBytesMax ?? 64 * 1024
    this.#parser = new ClientParser(
      { bytes, view },
      {
        scanSubject: (start, end) => {
          const space = bytes.indexOf(32, start)
          subject = text(start, space)
          return space < 0 || space >= end || /[\t\r\n]/.test(subject) ? -1 : space
        },
        publishRun: (_, tailStart, replyEnd, bodyStart, headerBytes, totalBytes) => {
          const payloadStart = bodyStart + Math.max(headerBytes, 0)
          published(
            subject,
            text(tailStart, replyEnd),
            text(bodyStart, payloadStart),
            text(payloadStart, bodyStart + totalBytes),
          )
        },
        publishParts: (parts: ParsedPublication) => {
          const [s, r, h, p] = [parts.subject, parts.reply, parts.headers, parts.payload].map(
            (part) => Buffer.from(part).toString('latin1'),
          )
          published(s ?? '', r ?? '', h ?? '', p ?? '')
        },
      },
      {
        connect: (json) => {
          facts.push(`CONNECT ${json}`)
          this.#parser.expectsConnect = false
          this.#parser.acceptsHeaders = true
        },
        subscribe: (...args) => facts.push(`SUB ${JSON.stringify(args)}`),
        unsubscribe: (...args) => facts.push(`UNSUB ${JSON.stringify(args)}`),
        ping: () => facts.push('PING'),
        pong: () => facts.push('PONG'),
        reportedError: (text) => facts.push(`-ERR ${text}`),
        uninvited: () => {
          facts.push('uninvited')
          this.isStopped = true
          this.#parser.stop()
        },
        violated: (error) => {
          facts.push(`violated ${error}`)
          this.isStopped = true
        },
      },
      {
        controlLineBytesMax: 4096,
        payloadBytesMax: setup.payloadBytesMax ?? 1024 * 1024,
        carryBytesMax: this.#carryBytesMax,
      },
    )
    this.#parser.expectsConnect = setup.expectsConnect ?? false
    this.#parser.acceptsHeaders = true
  }

  /** Gives one chunk, behind the carried tail, and keeps what was not used. */
  feed(chunk: Buffer): this {
    const input = Buffer.concat([this.#carry, chunk])
    this.#bytes.set(input, SLACK)
    const used = this.#parser.parse(SLACK, SLACK + input.length) - SLACK
    if (used < 0 || used > input.length) throw new Error(`used ${used} of ${input.length} bytes`)
    this.#carry = Buffer.from(input.subarray(used))
    if (this.#carry.length > this.#carryBytesMax) throw new Error(`carries ${this.#carry.length}`)
    return this
  }
}
