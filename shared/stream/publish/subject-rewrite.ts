/** The subject under which a stream stores what is published on another (`subject_transform`). */
import type { Random } from '../../runtime/index.ts'
import { SubjectTransform } from '../../subject/index.ts'
import type { SubjectTransform as TransformConfig } from '../config/stream-source.ts'
import type { Message } from './admission.ts'

export class SubjectRewrite {
  readonly #random: Random
  #transform: SubjectTransform | undefined

  constructor(config: TransformConfig | undefined, random: Random) {
    this.#random = random
    this.configure(config)
  }

  get isActive(): boolean {
    return this.#transform !== undefined
  }

  configure(config: TransformConfig | undefined): void {
    this.#transform = transformOf(config)
  }

  subjectOf(subject: string): string {
    return this.#transform?.match(subject, this.#random) ?? subject
  }

  of(message: Message): Message {
    const subject = this.subjectOf(message.subject)
    if (subject === message.subject) return message
    const { headers, payload } = message
    return { subject, subjectBytes: Buffer.from(subject), headers, payload }
  }
}

/** A source that is left out is every subject. */
export function transformOf(config: TransformConfig | undefined): SubjectTransform | undefined {
  if (config === undefined || config.dest === '') return undefined
  return new SubjectTransform(config.src === '' ? '>' : config.src, config.dest)
}
