import type { Server as HttpServer } from 'node:http'
import { createServer, type Server as TcpServer } from 'node:net'
import type { PetioleError } from '../runtime/index.ts'
import type { Accepting } from './listening.ts'
import { acceptTls } from './tls-handshake.ts'
import type { TlsSettings } from './tls-settings.ts'
import { endsOf, lostBy } from './wire-ends.ts'

/** Takes connections, secures them and hands them to the HTTP server. */
export function secureServer(
  http: HttpServer,
  settings: TlsSettings,
  { clock, onTrouble }: Pick<Accepting, 'clock' | 'onTrouble'>,
): TcpServer {
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => {
    const ends = endsOf(socket)
    socket.on('error', () => {})
    if (!settings.admits(clock.monotonicMs())) {
      socket.destroy()
      return
    }
    acceptTls(socket, Buffer.alloc(0), settings, clock).secured.then(
      (secured) => http.emit('connection', secured),
      (error: PetioleError) => onTrouble(lostBy(ends, error)),
    )
  })
  // An HTTP server looks for requests that take too long only while it believes that it listens.
  server.on('listening', () => http.emit('listening'))
  server.on('close', () => http.close())
  return server
}
