import type { Authenticator, Credentials, Expulsion, Identity } from '../../shared/account/index.ts'

/** Lets in whom the test wants, when it wants. */
export class StubAuthenticator implements Authenticator {
  isRequired = true
  needsNonce = false
  readonly asked: Credentials[] = []
  /** Who is let in by which user name; a function decides later. */
  readonly users = new Map<string, Identity | (() => Promise<Identity | undefined>)>()
  /** Who may stay no longer, by user name. */
  readonly expelled = new Map<string, Expulsion>()

  refusalOf: NonNullable<Authenticator['refusalOf']> = () => undefined

  authenticate(credentials: Credentials): Identity | undefined | Promise<Identity | undefined> {
    this.asked.push(credentials)
    const found = this.users.get(credentials.user ?? '')
    return typeof found === 'function' ? found() : found
  }

  recheck({ user }: Identity): Expulsion | undefined {
    return this.expelled.get(user)
  }

  renewed({ user }: Identity): Identity | undefined {
    const found = this.users.get(user)
    return typeof found === 'function' ? undefined : found
  }
}
