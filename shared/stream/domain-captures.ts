import { renamed, type StreamPort } from './port.ts'
import type { Stream } from './stream.ts'

/**
 * Key-value and object clients of a domain put its API prefix before their subjects [ADR-8]. Returns what
 * ends it.
 */
export function captureForDomain(
  port: StreamPort,
  prefix: string,
  streamFor: (subject: string) => Stream | undefined,
): (() => void)[] {
  return ['$KV.>', '$O.>'].map((space) =>
    port.capture(`${prefix}${space}`, (message) => {
      const subject = message.subject.slice(prefix.length)
      const stream = streamFor(subject)
      if (stream?.mode.isCapturing) stream.ingest(renamed(message, subject))
    }),
  )
}
