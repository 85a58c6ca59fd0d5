/** What a connection presents, whatever its protocol. Absent fields were not sent. */
export interface Credentials {
  readonly user?: string
  readonly password?: string
  readonly token?: string
}

/** Who a connection is, once it is let in. */
export interface Identity {
  /** '' for a connection without a user name. */
  readonly user: string
  /** The subject space it is bound to; `$G` when no accounts are configured. */
  readonly account: string
}

export interface Authenticator {
  /** INFO `auth_required`. */
  readonly isRequired: boolean
  /** undefined: refused. Takes the same time for an unknown user as for a wrong password. */
  authenticate(credentials: Credentials): Identity | undefined
}

export const GLOBAL_ACCOUNT = '$G'
