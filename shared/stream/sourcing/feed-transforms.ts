import type { Random } from '../../runtime/index.ts'
import { SubjectTransform } from '../../subject/index.ts'
import type { SubjectTransform as TransformConfig } from '../config/stream-source.ts'

/** The subject under which a feed's message is stored: what the first transform that matches makes of it. */
export class FeedTransforms {
  readonly #random: Random
  readonly #transforms: readonly SubjectTransform[]

  constructor(transforms: readonly TransformConfig[] | undefined, random: Random) {
    this.#random = random
    this.#transforms = (transforms ?? [])
      .filter(({ dest }) => dest !== '')
      .map(({ src, dest }) => new SubjectTransform(src || '>', dest))
  }

  of(subject: string): string {
    for (const transform of this.#transforms) {
      const made = transform.match(subject, this.#random)
      if (made !== undefined) return made
    }
    return subject
  }
}
