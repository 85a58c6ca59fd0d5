import type { TlsFacts } from './authenticator.ts'
import { DistinguishedName } from './distinguished-name.ts'

/** What `verify_and_map` looks a user up in. */
export interface NamedUsers<T> {
  /** By the exact name. */
  find(name: string): T | undefined
  all(): Iterable<readonly [name: string, user: T]>
}

/**
 * The user that a verified certificate stands for. Asked in nats-server's order (server/auth.go,
 * `checkClientTLSCertSubject`): e-mail addresses, DNS names, URIs, then the subject: as a distinguished
 * name, part by part and in any order, with its domain components in the certificate's order behind,
 * and last as text.
 */
export function userOfCertificate<T>(
  tls: TlsFacts | undefined,
  users: NamedUsers<T>,
): T | undefined {
  const certificate = tls?.certificate
  if (certificate === undefined) return undefined
  for (const name of [...certificate.emails, ...certificate.dnsNames, ...certificate.uris]) {
    const user = name === '' ? undefined : users.find(name)
    if (user !== undefined) return user
  }
  const { subject } = certificate
  return subject === '' ? undefined : userOfSubject(subject, users)
}

function userOfSubject<T>(subject: string, users: NamedUsers<T>): T | undefined {
  const name = DistinguishedName.parse(subject)
  const user = name === undefined ? undefined : userOfName(name, users)
  if (user !== undefined) return user
  const domains = name?.valuesOf('DC') ?? []
  if (domains.length > 0) {
    const others = subject.split(',').filter((part) => !/^DC=/i.test(part))
    const text = [...others, ...domains.map((domain) => `DC=${domain}`)].join(',')
    const byText = users.find(text)
    if (byText !== undefined) return byText
    return users.find(others.join(','))
  }
  return users.find(subject)
}

function userOfName<T>(name: DistinguishedName, users: NamedUsers<T>): T | undefined {
  let reordered: T | undefined
  for (const [text, user] of users.all()) {
    const other = text.includes('=') ? DistinguishedName.parse(text) : undefined
    if (other?.equals(name)) return user
    if (reordered === undefined && other?.hasPartsOf(name)) reordered = user
  }
  return reordered
}
