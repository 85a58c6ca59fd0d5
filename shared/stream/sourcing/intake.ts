import type { PetioleError } from '../../runtime/index.ts'

/** A message as its origin's consumer delivered it. */
export interface FedMessage {
  readonly subject: string
  readonly headers: Uint8Array
  readonly payload: Uint8Array
  /** Its sequence and time in the origin. */
  readonly streamSeq: number
  readonly timeMs: number
  /** What was still to come behind it. */
  readonly lag: number
}

/** How far a destination has got. */
export interface Place {
  /** The last sequence of the origin that is stored, or on its way to the disk; 0 for none. */
  readonly seq: number
  /** Which making of the origin that was of; '' when it never said. */
  readonly identity: string
}

/** Where the messages of one feed go. */
export interface Intake {
  readonly place: Place
  /** A consumer is there, which has passed all up to `delivered`. Returns what the feed goes on behind. */
  begin(delivered: number, identity: string): number
  /** The origin is another one of the name: it is copied from its beginning. */
  restart(): void
  /**
   * Stores them in this order, and how far that has got, whole or not at all; where one of them can not
   * be stored, those before it are. Throws, or rejects with, what kept it back. `done` is called when all
   * are on disk, or the disk refused.
   */
  take(
    batch: readonly FedMessage[],
    done: (error: PetioleError | undefined) => void,
  ): Promise<void> | undefined
}

/** Stores a batch in one piece or, when that is refused, as far as its messages fit one by one. Throws what the first that does not fit is refused with. */
export function takeWhatFits(
  batch: readonly FedMessage[],
  store: (part: readonly FedMessage[], done: Committed) => void,
  done: Committed,
): void {
  try {
    store(batch, done)
  } catch (error) {
    if (batch.length === 1) throw error
    for (const [i, fed] of batch.entries()) store([fed], i === batch.length - 1 ? done : IGNORED)
  }
}

export const IGNORED = (): void => {}

type Committed = (error: PetioleError | undefined) => void
