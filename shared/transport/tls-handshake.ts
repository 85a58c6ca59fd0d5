import type { X509Certificate } from 'node:crypto'
import { isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect, TLSSocket } from 'node:tls'
import { type Clock, codeOf, messageOf, PetioleError } from '../runtime/index.ts'
import { peerCertificateOf } from './certificate.ts'
import type { DialSecurity } from './dial-security.ts'
import type { TlsSettings } from './tls-settings.ts'

/** A handshake under way. */
export interface Handshake {
  /** Rejects with PETIOLE_TLS_FAILED or PETIOLE_TLS_TIMEOUT, and the socket is closed then. */
  readonly secured: Promise<TLSSocket>
  /** Closes the socket, whatever has become of the handshake. */
  abandon(): void
}

/** The first byte of every TLS connection: a record with handshake messages [RFC 8446, 5.1]. */
export const TLS_FIRST_BYTE = 0x16

/** Whether OpenSSL has verified the peer's certificate; Node tells it to its own servers only. */
interface TlsInside {
  readonly _handle?: { verifyError?: () => Error | null | undefined } | null
}

/**
 * The accepting side, on a socket that is paused and from which `early` has been read already. The
 * time runs from here.
 */
export function acceptTls(
  socket: Socket,
  early: Uint8Array,
  settings: TlsSettings,
  clock: Clock,
): Handshake {
  // TLSSocket reads what its socket holds back first.
  if (early.length > 0) socket.unshift(early)
  const secured = new TLSSocket(socket, {
    isServer: true,
    secureContext: settings.context,
    SNICallback: (name, answer) => answer(null, settings.contextFor(name)),
    requestCert: settings.asksForCertificate,
    // OpenSSL refuses who shows none; what it thinks of the one that is shown is asked below.
    rejectUnauthorized: settings.asksForCertificate,
  })
  return settle(secured, 'secure', settings, clock, () => {
    if (!settings.asksForCertificate) return undefined
    if (peerCertificateOf(secured) === undefined) return 'the peer showed no certificate'
    const verifyError = (secured as unknown as TlsInside)._handle?.verifyError
    // Without Node's answer nobody has verified anything.
    if (typeof verifyError !== 'function') return 'certificates cannot be verified on this platform'
    const error = verifyError.call((secured as unknown as TlsInside)._handle)
    return error ? `failed to verify certificate: ${messageOf(error)}` : undefined
  })
}

/** The dialling side, on a connected socket that is paused and has nothing to write. */
export function dialTls(
  socket: Socket,
  { settings, serverName }: DialSecurity,
  clock: Clock,
): Handshake {
  const secured = connect({
    socket,
    secureContext: settings.context,
    // A name, never an address [RFC 6066, 3].
    servername: isIP(serverName) === 0 ? serverName : '',
    rejectUnauthorized: !settings.config.insecure,
    checkServerIdentity: (_name, certificate) => checkServerIdentity(serverName, certificate),
  })
  return settle(secured, 'secureConnect', settings, clock, () => undefined)
}

function settle(
  secured: TLSSocket,
  event: 'secure' | 'secureConnect',
  settings: TlsSettings,
  clock: Clock,
  refusal: () => string | undefined,
): Handshake {
  const promise = new Promise<TLSSocket>((resolve, reject) => {
    const fail = (error: PetioleError): void => {
      cancel()
      reject(error)
      secured.destroy()
    }
    const cancel = clock.after(settings.config.timeout, () =>
      fail(new PetioleError('PETIOLE_TLS_TIMEOUT', 'TLS handshake timeout')),
    )
    // Stays: an error after the handshake is the wire's, and one after a refusal is nobody's.
    secured.on('error', (error) => fail(failed(reasonOf(error), error)))
    const gone = (): void => fail(failed('the peer closed the connection', undefined))
    secured.once('close', gone)
    // Sockets that may be half open do not close by themselves, and half a handshake leads nowhere.
    secured.once('end', gone)
    secured.once(event, () => {
      const reason = refusal() ?? pinRefusal(settings, peerCertificateOf(secured))
      if (reason !== undefined) {
        fail(failed(reason, undefined))
        return
      }
      cancel()
      secured.off('end', gone)
      resolve(secured)
    })
  })
  return { secured: promise, abandon: () => secured.destroy() }
}

function pinRefusal(
  settings: TlsSettings,
  certificate: X509Certificate | undefined,
): string | undefined {
  return settings.isPinned(certificate) ? undefined : 'certificate not pinned'
}

function failed(reason: string, cause: unknown): PetioleError {
  return new PetioleError('PETIOLE_TLS_FAILED', `TLS handshake error: ${reason}`, { cause })
}

/** OpenSSL's messages carry its own source file and line; what counts is the reason. */
function reasonOf(error: Error): string {
  const { reason } = error as { reason?: unknown }
  return typeof reason === 'string' ? reason : messageOf(error) || codeOf(error) || 'unknown'
}
