/**
 * Where leaves and hubs talk. A leaf that has no home yet says hello to whoever serves; from then on
 * it speaks to its home only, because only the home has its watermarks.
 */

export const SYNC_SUBJECT = '$FLEET.SYNC.>'
/** Hubs of one home share the work. */
export const SYNC_QUEUE = 'petiole-fleet'
export const HELLO_ANYWHERE_SUBJECT = '$FLEET.SYNC.HELLO'
/** A leaf tells how it is: the hub that it is attached to, and its home wherever that is. */
export const REPORT_SUBJECT = '$FLEET.REPORT'
export const HOME_REPORTS_SUBJECT = '$FLEET.REPORT.*'
/** A hub asks every leaf to report now. */
export const PROBE_SUBJECT = '$FLEET.PROBE'
/** Anyone asks a hub for the fleet's status. */
export const STATUS_SUBJECT = '$FLEET.STATUS'
/** An operator gives a leaf's name free; the payload is the name. */
export const RELEASE_SUBJECT = '$FLEET.RELEASE'
/** The same in another account; for operators only. */
export const RELEASES_SUBJECT = '$FLEET.RELEASE.*'

export function helloSubject(home: string): string {
  return home === '' ? HELLO_ANYWHERE_SUBJECT : `$FLEET.SYNC.${asToken(home)}.HELLO`
}

export function reportSubject(home: string): string {
  return home === '' ? REPORT_SUBJECT : `$FLEET.REPORT.${asToken(home)}`
}

/** A hub tells one leaf that what it refused may go in now; the payload is the buffer, '' for all. */
export function retrySubject(leaf: string): string {
  return `$FLEET.RETRY.${asToken(leaf)}`
}

export function releaseSubject(account: string): string {
  return account === '' ? RELEASE_SUBJECT : `$FLEET.RELEASE.${asToken(account)}`
}

export function batchSubject(home: string): string {
  return `$FLEET.SYNC.${asToken(home)}.BATCH`
}

/** A name as one subject token: what would end or widen the token is percent-encoded. */
export function asToken(name: string): string {
  return name.replace(/[\p{Cc}\s.*>%]/gu, (char) => encodeByte(char))
}

function encodeByte(char: string): string {
  return [...Buffer.from(char)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('')
}
