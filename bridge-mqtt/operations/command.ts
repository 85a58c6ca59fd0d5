import { PetioleError } from '../../shared/runtime/index.ts'
import { OPERATIONS } from './operations-desk.ts'

/** How `petiole mqtt …` reaches a server. Both reject with what is wrong, for people. */
export interface OperatorLine {
  /** The server on the other end. */
  readonly serverId: string
  ask(subject: string, body: string): Promise<string>
  /** All answers that come in a while. */
  askAll(subject: string, body: string): Promise<readonly string[]>
}

export type ListName = 'clients' | 'sessions' | 'retained'

export interface ListOptions {
  readonly account?: string
  readonly client?: string
  readonly filter?: string
  /** The most entries; all when it is left out. */
  readonly limit?: number
  /** The name of a server that the other end is linked with. */
  readonly at?: string
}

interface ServerName {
  readonly id: string
  readonly name: string
  readonly version: string
}

/** A list as `--json` prints it. */
export interface Listing {
  readonly server: ServerName
  /** null: nobody counted. */
  readonly total: number | null
  readonly entries: readonly Readonly<Record<string, unknown>>[]
}

interface Answer extends Readonly<Record<string, unknown>> {
  readonly server: ServerName
}

/** Page by page, so that the server is never busy with the whole. */
export async function listOf(
  line: OperatorLine,
  name: ListName,
  { at, limit = Number.POSITIVE_INFINITY, ...query }: ListOptions,
): Promise<Listing> {
  const subject = `${OPERATIONS}.${await serverIdOf(line, at)}.${name.toUpperCase()}`
  const entries: Listing['entries'][number][] = []
  for (let offset = 0; ; ) {
    const left = Number.isFinite(limit) ? { limit: limit - entries.length } : {}
    const answer = read(await line.ask(subject, JSON.stringify({ ...query, offset, ...left })))
    const { server, total, next } = answer
    const page = answer[name]
    if (!Array.isArray(page)) throw notOurs()
    entries.push(...page)
    const isLast = typeof next !== 'number' || next <= offset || entries.length >= limit
    if (isLast) return { server, total: typeof total === 'number' ? total : null, entries }
    offset = next
  }
}

export interface Act {
  readonly name: 'KICK' | 'END' | 'FORGET'
  readonly body: Readonly<Record<string, unknown>>
  readonly at?: string
}

/** Has something done; the answer names the account that it was done in. */
export async function act(line: OperatorLine, { name, body, at }: Act): Promise<Answer> {
  const subject = `${OPERATIONS}.${await serverIdOf(line, at)}.${name}`
  return read(await line.ask(subject, JSON.stringify(body)))
}

/** Names are found by asking all: a server that is linked answers as this one does. */
async function serverIdOf(line: OperatorLine, name: string | undefined): Promise<string> {
  if (name === undefined) return line.serverId
  if (name === '') throw refusal('--at is empty: name a server that this one is linked with')
  const answers = await line.askAll(`${OPERATIONS}.PING`, '')
  const servers = answers.map((answer) => read(answer).server)
  const named = servers.filter((server) => server.name === name)
  if (named.length > 1)
    throw refusal(
      `there are ${named.length} servers of the name ${name}: ask the one you mean itself`,
    )
  const [server] = named
  if (server !== undefined) return server.id
  const known = servers.map((each) => each.name).sort()
  throw refusal(
    known.length === 0
      ? `no server answers that serves MQTT: is ${name} linked, and in this account?`
      : `no server ${name} answers; those that do: ${known.join(', ')}`,
  )
}

function read(text: string): Answer {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch {
    throw notOurs()
  }
  if (!isAnswer(answer)) throw notOurs()
  const { error } = answer
  if (typeof error === 'object' && error !== null && 'description' in error) {
    throw refusal(String(error.description))
  }
  return answer
}

function isAnswer(answer: unknown): answer is Answer {
  if (typeof answer !== 'object' || answer === null || !('server' in answer)) return false
  const { server } = answer
  if (typeof server !== 'object' || server === null) return false
  return 'id' in server && 'name' in server && [server.id, server.name].every(isText)
}

function isText(value: unknown): boolean {
  return typeof value === 'string'
}

function notOurs(): PetioleError {
  return refusal('the answer is none of a Petiole server')
}

function refusal(message: string): PetioleError {
  return new PetioleError('PETIOLE_BAD_REQUEST', message)
}
