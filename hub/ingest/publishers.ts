import { compilePermissions, type Permissions, UNRESTRICTED } from '../../shared/account/index.ts'
import type { Peer } from '../../shared/broker/index.ts'
import type { ClientMessage } from '../../shared/client/index.ts'
import { rootOf } from '../../shared/imports/index.ts'
import { rulesOfStamp, type StampedRules, stampOf } from '../../shared/sync/index.ts'
import type { KnownSubject } from './known-subjects.ts'
import { STAMPS_KNOWN_MAX } from './limits.ts'

/** What may be published by who brought a batch here; undefined: everything. */
export type Publisher = PublishCheck | undefined

/** The rules of one user, and what they said of subjects that were asked for. */
export class PublishCheck {
  readonly #permissions: Permissions
  readonly #answers = new WeakMap<KnownSubject, boolean>()

  constructor(rules: StampedRules) {
    this.#permissions = compilePermissions({ ...UNRESTRICTED, publish: rules })
  }

  /** Remembered as long as the subject is: sensors say the same ones again and again. */
  mayPublish(subject: KnownSubject): boolean {
    const known = this.#answers.get(subject)
    if (known !== undefined) return known
    const answer = this.#permissions.mayPublish(subject.text)
    this.#answers.set(subject, answer)
    return answer
  }
}

/**
 * Who brought a batch: a record may only be on a subject that a live message of his might have. The peer that
 * published the request says so itself: it is the router's, no field of the message. Of a request that entered at
 * another hub that hub tells, in a stamp; a message without one, or with one that cannot be read, is refused.
 */
export class Publishers {
  readonly #checks = new WeakMap<StampedRules, PublishCheck>()
  /** By stamp; the oldest goes first. */
  readonly #stamped = new Map<string, StampedRules>()

  /** `unknown`: it cannot be told what he may publish. */
  of({ origin, headers }: ClientMessage): Publisher | 'unknown' {
    if (origin === undefined) return undefined
    // Through an import it is still he who publishes.
    const peer = rootOf(origin)
    if (isHubBeside(peer)) return this.#ofStamp(stampOf(headers))
    return peer.publishRules === undefined ? undefined : this.#checkOf(peer.publishRules)
  }

  #ofStamp(stamp: string | undefined): Publisher | 'unknown' {
    const known = stamp === undefined ? undefined : this.#stamped.get(stamp)
    if (known !== undefined) return this.#checkOf(known)
    const read = rulesOfStamp(stamp)
    if (read === 'refused') return 'unknown'
    const { rules } = read
    if (rules === undefined || stamp === undefined) return undefined
    this.#stamped.set(stamp, rules)
    if (this.#stamped.size > STAMPS_KNOWN_MAX) {
      const [oldest = ''] = this.#stamped.keys()
      this.#stamped.delete(oldest)
    }
    return this.#checkOf(rules)
  }

  #checkOf(rules: StampedRules): PublishCheck {
    const known = this.#checks.get(rules)
    if (known !== undefined) return known
    const check = new PublishCheck(rules)
    this.#checks.set(rules, check)
    return check
  }
}

function isHubBeside({ kind }: Peer): boolean {
  return kind === 'route' || kind === 'gateway'
}
