import type { Log } from '../log/index.ts'
import type { Clock, Disk, PasswordHashes } from '../runtime/index.ts'
import type { AccountBook } from './account-book.ts'
import type { CalloutPort, ServerFacts } from './auth-callout.ts'
import type { Authenticator, Identity } from './authenticator.ts'
import type { ClaimsService } from './claims-service.ts'
import { compilePermissions, denyingPublish } from './compiled-permissions.ts'
import type { ClaimsExchange } from './directory-resolver.ts'
import type { AccountsConfig, Listener } from './listener-logins.ts'
import type { HttpGet } from './resolver.ts'

/** What a file with nothing but users needs is required; the rest is for what it may configure. */
export interface AccountsDependencies {
  readonly clock: Clock
  readonly passwords: PasswordHashes
  readonly log?: Log
  /** For a resolver with a directory. */
  readonly disk?: Disk
  /** For `resolver: URL(…)`. */
  readonly http?: HttpGet
  /** Other servers, which a resolver with a directory asks for accounts. */
  readonly exchange?: ClaimsExchange
  /** For auth callouts. */
  readonly callout?: { readonly port: CalloutPort; readonly server: ServerFacts }
  /** What an operator may ask to be at least some version. */
  readonly version?: string
}

/** Accounts of another configuration, as far as they can be made without anybody noticing. */
export interface PreparedAccounts {
  /** Never rejects. */
  commit(): Promise<void>
  /** Looks for what is new about accounts that others know, which takes as long as they take. Never rejects. */
  refresh?(): Promise<void>
  cancel(): void
}

/** Who may connect and to what: the accounts of a server, and the way into them. */
export interface Accounts {
  readonly book: AccountBook
  /** Goes by the `connectionType` of what is presented. */
  readonly authenticator: Authenticator
  /** What tools do with account JWTs; undefined without an operator. */
  readonly claims: ClaimsService | undefined
  /** The server's public curve key, INFO `xkey`. */
  readonly xkey: string
  /** The authenticator of one listener, with what its INFO says. */
  at(listener: Listener): Authenticator
  /**
   * After a reload: the book tells of the accounts that changed, `recheck` of the users. Rejects with
   * PETIOLE_OPERATOR_INVALID, and with PETIOLE_RELOAD_UNSUPPORTED when an operator came or went.
   */
  update(config: AccountsConfig): Promise<void>
  /** What of `update` may fail, first. Absent where nothing does that a comparison of the files does not find. */
  prepare?(config: AccountsConfig): Promise<PreparedAccounts>
  close(): void
}

/** Where auth callouts are published; who is bound to the service's account may not publish there. */
export const CALLOUT_SUBJECT = '$SYS.REQ.USER.AUTH'

/** The same identity without leave to publish to `subject`. */
export function withoutPublish(identity: Identity, subject: string): Identity {
  const config = denyingPublish(identity.permissions?.config, [subject])
  return { ...identity, permissions: compilePermissions(config) }
}
