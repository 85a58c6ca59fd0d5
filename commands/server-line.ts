import { codeOf, messageOf } from '../shared/runtime/index.ts'

const ANSWER_DEADLINE_MS = 5_000
/** How long linked servers have to say that they are there. */
const PING_MS = 1_000

/** A server to ask over NATS. Both ways of asking reject with what is wrong, for people. */
export interface ServerLine {
  readonly serverId: string
  ask(subject: string, body: string): Promise<string>
  /** All answers that come in a while. */
  askAll(subject: string, body: string): Promise<readonly string[]>
  close(): Promise<void>
}

interface Credentials {
  readonly servers: string
  /** Without TLS it is not spoken to: what `tls://` asks for. */
  readonly tls?: object
  readonly user?: string
  readonly pass?: string
  readonly token?: string
}

/** What is wrong is said with the flag that names the address. */
export async function reach(address: string, flag: 'hub' | 'server'): Promise<ServerLine> {
  const { connect } = await import('@nats-io/transport-node')
  const credentials = credentialsOf(address, flag)
  const { servers } = credentials
  const timeout = ANSWER_DEADLINE_MS
  const connection = await connect({ ...credentials, timeout }).catch((error: unknown) => {
    const reason = messageOf(error)
    throw new Error(`no answer from a ${flag} at ${servers}: ${reason}. ${adviceOn(reason, flag)}`)
  })
  const failure = (error: unknown, subject: string): Error => {
    const reason = messageOf(error)
    const isRefused = /permissions violation/i.test(reason)
    return new Error(
      isRefused
        ? `${servers} does not let this user ask for ${subject}: name another with --${flag} nats://user:password@host:port`
        : `${servers} did not answer: ${reason}`,
    )
  }
  const ask = async (subject: string, body: string): Promise<string> => {
    try {
      return (await connection.request(subject, body, { timeout })).string()
    } catch (error) {
      if (!isUnanswered(error)) throw failure(error, subject)
      const what = flag === 'hub' ? 'is no Petiole hub' : 'serves no MQTT'
      throw new Error(`${servers} ${what}, or these credentials may not ask for ${subject}`)
    }
  }
  const askAll = async (subject: string, body: string): Promise<string[]> => {
    const answers: string[] = []
    const choices = { strategy: 'timer', maxWait: PING_MS } as const
    try {
      for await (const answer of await connection.requestMany(subject, body, choices)) {
        answers.push(answer.string())
      }
    } catch (error) {
      if (!isUnanswered(error)) throw failure(error, subject)
    }
    return answers
  }
  const serverId = connection.info?.server_id ?? ''
  return { serverId, ask, askAll, close: () => connection.close() }
}

function isUnanswered(error: unknown): boolean {
  return codeOf(error) === '503' || /no responders/i.test(messageOf(error))
}

function adviceOn(reason: string, flag: string): string {
  if (/authoriz/i.test(reason)) {
    return `Give user and password: --${flag} nats://user:password@host:port`
  }
  if (/timeout/i.test(reason)) {
    return `Is that its port for NATS clients? Name another with --${flag} URL`
  }
  if (/support 'tls'/.test(reason)) return `It speaks no TLS: write --${flag} nats:// for tls://`
  return `Is it running? Name another with --${flag} URL`
}

function credentialsOf(address: string, flag: string): Credentials {
  const text = address.includes('://') ? address : `nats://${address}`
  const url = URL.canParse(text) ? new URL(text) : undefined
  const user = decoded(url?.username)
  const pass = decoded(url?.password)
  const isOurs = url?.protocol === 'nats:' || url?.protocol === 'tls:'
  const isWhole = isOurs && url.hostname !== ''
  if (!isWhole || user === undefined || pass === undefined) {
    const advice = `write nats://[user:password@]host[:port], or tls:// for TLS`
    throw new Error(`--${flag} ${address} is no address: ${advice}`)
  }
  return {
    servers: `${url.hostname}:${url.port || 4222}`,
    ...(url.protocol === 'tls:' ? { tls: {} } : {}),
    ...(user !== '' && pass !== '' ? { user, pass } : {}),
    ...(user !== '' && pass === '' ? { token: user } : {}),
  }
}

/** undefined: a `%` in it begins no byte. */
function decoded(part = ''): string | undefined {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}
