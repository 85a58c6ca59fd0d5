import type { Expulsion, Identity } from '../../shared/account/index.ts'
import type { SubjectSpace } from '../../shared/broker/index.ts'
import type { WillMessage } from '../codec/index.ts'
import type { MqttContext } from './context.ts'
import { SessionGuard } from './session-guard.ts'
import { Will } from './will.ts'

/** Whoever is shut out by time alone has left his will while he might. */
const BY_TIME: ReadonlySet<Expulsion> = new Set<Expulsion>(['user_expired', 'account_expired'])

/**
 * Whose the wills are that are kept with durable sessions. A will may be due long after its client has left, and
 * its user may have lost the right to publish it by then. Known as long as the process lives: on disk a session
 * does not say whose it is, so what was left to an earlier process is published as it was allowed then. A name would
 * say it of users of the file alone: of others it takes a bearer's JWT, which is his password and has no place on
 * disk, or the service that let him in, which would be asked about somebody who is not here.
 */
export class WillOwners {
  readonly #byWill = new WeakMap<WillMessage, Identity>()

  set(will: WillMessage, identity: Identity): void {
    this.#byWill.set(will, identity)
  }

  /** The will of a durable session is due. */
  publish(
    context: MqttContext,
    space: SubjectSpace,
    { clientId, will }: { readonly clientId: string; readonly will: WillMessage },
  ): void {
    const left = this.#byWill.get(will)
    const now = left && context.recheck(left)
    if (typeof now === 'string' && !BY_TIME.has(now)) {
      context.counters.deniedPublishes++
      context.notices.warn({ client: clientId }, 'will of a user who is gone is dropped')
      return
    }
    const identity = typeof now === 'object' ? now : left
    const guard =
      identity && new SessionGuard(identity, (of) => context.limitsOf(of), context.clock)
    new Will(context, space, { clientId, guard }).publish(will)
  }
}
