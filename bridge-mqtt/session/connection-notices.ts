/** What operators are told of connections that end by a fault of theirs. */
import type { PetioleError } from '../../shared/runtime/index.ts'
import { type Channel, remoteName } from '../../shared/transport/index.ts'
import type { Notices } from '../notices.ts'

/** A handshake of TLS that failed; other errors of a connection are no news. */
export function noteUnsecured(notices: Notices, channel: Channel, error?: PetioleError): void {
  if (error?.code.startsWith('PETIOLE_TLS_') !== true) return
  const fields = { remote: remoteName(channel), reason: error.message }
  notices.warn(fields, 'client could not be secured')
}

export function noteViolation(
  notices: Notices,
  channel: Channel,
  what: { readonly client: string | undefined; readonly rule: string; readonly reason: string },
): void {
  const { client, rule, reason } = what
  const fields = { client, remote: remoteName(channel), rule, reason }
  notices.warn(fields, 'packet breaks the protocol: closing')
}
