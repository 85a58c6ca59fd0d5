import type { AccountSpace } from '../broker/index.ts'
import type { Log } from '../log/index.ts'
import type { Clock, Random } from '../runtime/index.ts'
import type { Describe, ServerPlace } from './client-info.ts'
import type { ResponseDesk } from './response-desk.ts'

/** What all parts of the imports of one server share. */
export interface ImportContext {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly place: ServerPlace
  readonly describe: Describe
  readonly nextPeerId: () => number
  /** '' when there is none. */
  readonly systemAccount: () => string
  readonly space: (account: string) => AccountSpace
  /** Where answers of an account's responders, and the waiting of its requesters, are kept. */
  readonly desk: (account: string) => ResponseDesk
}
