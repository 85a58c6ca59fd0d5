/** Makes and restores backups over the API, as the nats CLI does. */
import { createInbox, type NatsConnection } from '@nats-io/transport-node'
import { eventually } from './link-node.ts'
import { DEADLINE_MS } from './patience.ts'

export interface Backup {
  readonly bytes: Buffer
  /** Of the last piece; 204 when there was none. */
  readonly status: number
  /** STREAM.RESTORE's. */
  readonly request: string
}

export interface Restored {
  readonly error?: { readonly err_code: number; readonly description: string }
}

export async function backupOf(
  client: NatsConnection,
  name: string,
  options: object,
): Promise<Backup> {
  const inbox = createInbox()
  const pieces: Uint8Array[] = []
  let status: number | undefined
  const subscription = client.subscribe(inbox, {
    callback: (_error, message) => {
      if (message.data.length === 0) status = message.headers?.code || 204
      pieces.push(new Uint8Array(message.data))
      if (message.reply) message.respond()
    },
  })
  const request = JSON.stringify({ deliver_subject: inbox, ...options })
  const answer = await client.request(`$JS.API.STREAM.SNAPSHOT.${name}`, request)
  await eventually(() => status !== undefined, 'the end of a backup')
  subscription.unsubscribe()
  const { config, state } = answer.json<{ config: object; state: object }>()
  return {
    bytes: Buffer.concat(pieces),
    status: status ?? 0,
    request: JSON.stringify({ config, state }),
  }
}

/** The answer to the first piece that was refused, else to the end. */
export async function restoreTo(
  client: NatsConnection,
  name: string,
  { bytes, request }: Backup,
  pieceBytes = 100_000,
): Promise<Restored> {
  const begun = await client.request(`$JS.API.STREAM.RESTORE.${name}`, request)
  const { deliver_subject, error } = begun.json<{ deliver_subject: string } & Restored>()
  if (error !== undefined) return { error }
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    const piece = bytes.subarray(at, at + pieceBytes)
    const answer = await client.request(deliver_subject, piece, { timeout: DEADLINE_MS })
    if (answer.data.length > 0) return answer.json<Restored>()
  }
  return (await client.request(deliver_subject, '', { timeout: DEADLINE_MS })).json<Restored>()
}
