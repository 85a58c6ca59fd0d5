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
    const advice = /authoriz/i.test(reason)
      ? `Give user and password: --${flag} nats://user:password@host:port`
      : `Is it running? Name another with --${flag} URL`
    throw new Error(`no answer from a ${flag} at ${servers}: ${reason}. ${advice}`)
  })
  const ask = async (subject: string, body: string): Promise<string> => {
    try {
      return (await connection.request(subject, body, { timeout })).string()
    } catch (error) {
      const isAbsent = isUnanswered(error)
      const what = flag === 'hub' ? 'is no Petiole hub' : 'serves no MQTT'
      throw new Error(
        isAbsent
          ? `${servers} ${what}, or these credentials may not ask for ${subject}`
          : `${servers} did not answer: ${messageOf(error)}`,
      )
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
      if (!isUnanswered(error)) throw error
    }
    return answers
  }
  const serverId = connection.info?.server_id ?? ''
  return { serverId, ask, askAll, close: () => connection.close() }
}

function isUnanswered(error: unknown): boolean {
  return codeOf(error) === '503' || /no responders/i.test(messageOf(error))
}

function credentialsOf(address: string, flag: string): Credentials {
  const text = address.includes('://') ? address : `nats://${address}`
  if (!URL.canParse(text)) {
    throw new Error(`--${flag} ${address} is no address: write nats://[user:password@]host[:port]`)
  }
  const url = new URL(text)
  const user = decodeURIComponent(url.username)
  const pass = decodeURIComponent(url.password)
  return {
    servers: `${url.hostname}:${url.port || 4222}`,
    ...(user !== '' && pass !== '' ? { user, pass } : {}),
    ...(user !== '' && pass === '' ? { token: user } : {}),
  }
}
