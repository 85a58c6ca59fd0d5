import type { ReplayPosition } from '../retained/index.ts'

type GoOn = (filter: string, position: ReplayPosition) => void

interface CutSession {
  /** By filter. */
  readonly left: Map<string, ReplayPosition>
  /** Of its client, while that is here. */
  goOn: GoOn | undefined
}

const SESSIONS = new WeakMap<object, CutSession>()

/**
 * How far the replays were of a session whose client has gone before it had all that was retained: it gets the
 * rest when it comes back, since nobody asks for it a second time. It is not kept over a restart.
 */
export const cutReplays = {
  /** @param goOn with which it came back: who did not has changed nothing */
  leave(session: object, goOn: GoOn, unfinished: ReadonlyMap<string, ReplayPosition>): void {
    if (SESSIONS.get(session)?.goOn !== goOn) return
    if (unfinished.size === 0) SESSIONS.delete(session)
    else SESSIONS.set(session, { left: new Map(unfinished), goOn: undefined })
  },

  /**
   * @param goOn called for what did not get to the disk that the client's last connection had laid in the log
   * @returns where to go on, to be changed by who goes on
   */
  comeBack(session: object, goOn: GoOn): Map<string, ReplayPosition> {
    const left = new Map(SESSIONS.get(session)?.left)
    SESSIONS.set(session, { left: new Map(), goOn })
    return left
  },

  /** What was laid in the log by a connection that has gone is not there after all. */
  lost(session: object, filter: string, position: ReplayPosition): void {
    const cut = SESSIONS.get(session)
    if (cut?.goOn !== undefined) cut.goOn(filter, position)
    else if (cut !== undefined) cut.left.set(filter, position)
    else SESSIONS.set(session, { left: new Map([[filter, position]]), goOn: undefined })
  },
}
