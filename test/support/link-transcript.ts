import type { Publication } from '../../shared/broker/index.ts'
import {
  type LinkFacts,
  LinkParser,
  type LinkParserLimits,
  type LinkViolation,
} from '../../shared/link/link-parser.ts'

/** The facts of a leaf link's bytes as lines of text, to compare one way of cutting with another. */
export class LinkTranscript implements LinkFacts {
  readonly facts: string[] = []
  readonly parser: LinkParser

  constructor(
    limits: LinkParserLimits = { controlLineBytesMax: 65_536, payloadBytesMax: 1 << 20 },
  ) {
    this.parser = new LinkParser(this, limits)
  }

  /** Pushes the pieces one by one, each in a buffer that is overwritten afterwards. */
  take(...pieces: readonly Uint8Array[]): LinkViolation | undefined {
    let violation: LinkViolation | undefined
    for (const piece of pieces) {
      const shared = Buffer.concat([Buffer.from('##'), piece, Buffer.from('##')])
      violation = this.parser.push(shared, 2, 2 + piece.length)
      shared.fill(0x58)
    }
    return violation
  }

  info(json: string): void {
    this.facts.push(`info ${json.trim()}`)
  }

  connect(json: string): void {
    this.facts.push(`connect ${json.trim()}`)
  }

  ping(): void {
    this.facts.push('ping')
  }

  pong(): void {
    this.facts.push('pong')
  }

  error(text: string): void {
    this.facts.push(`error ${text}`)
  }

  interest(subject: string, queue: string, weight: number): void {
    this.facts.push(`interest ${subject} [${queue}] ${weight}`)
  }

  interestGone(subject: string, queue: string): void {
    this.facts.push(`gone ${subject} [${queue}]`)
  }

  message({ subject, reply, headers, payload }: Publication, queues: readonly string[]): void {
    const parts = [subject, reply, headers, payload].map((it) => Buffer.from(it).toString('latin1'))
    this.facts.push(`message ${JSON.stringify([...parts, queues])}`)
  }
}
