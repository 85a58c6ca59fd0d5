import { REASON } from '../codec/index.ts'

/** Why a connection ends: what a client of MQTT 5 is told, and what the log says. */
export interface Ending {
  /** Of the DISCONNECT that says so; 0: nothing is said, because nobody is there to hear it. */
  readonly reason: number
  readonly text: string
  /** Where to go instead, for a client that is sent away [MQTT-3.14.2.2.5]. */
  readonly serverReference?: string
}

export const ENDING = {
  closed: silent('connection closed by the client'),
  disconnected: silent('client disconnected'),
  refused: silent('client refused'),
  late: silent('no CONNECT in time'),
  takenOver: told(REASON.sessionTakenOver, 'another connection has come with this client id'),
  unwelcome: told(REASON.notAuthorized, 'user may stay no longer'),
  expired: told(REASON.notAuthorized, 'user authentication expired'),
  unpinned: told(REASON.notAuthorized, 'certificate is pinned no longer'),
  tooManyFilters: told(REASON.quotaExceeded, 'too many topic filters'),
  noSeat: told(REASON.quotaExceeded, 'maximum account active connections exceeded'),
  silent: told(REASON.keepAliveTimeout, 'nothing came for one and a half keep-alive intervals'),
  notStored: silent('publish could not be stored'),
  kicked: told(REASON.administrativeAction, 'ended by an administrator'),
  purged: told(REASON.administrativeAction, 'all that was kept for its account is removed'),
  shutDown: told(REASON.serverShuttingDown, 'server is shutting down'),
} as const satisfies Readonly<Record<string, Ending>>

/** @param serverReference where clients are to go; empty: the server names nobody else */
export function leavingEnding(serverReference: string): Ending {
  if (serverReference === '') return ENDING.shutDown
  return { reason: REASON.useAnotherServer, text: 'server is going away', serverReference }
}

function told(reason: number, text: string): Ending {
  return { reason, text }
}

function silent(text: string): Ending {
  return { reason: 0, text }
}
