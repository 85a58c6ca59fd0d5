import type { Command } from 'commander'
import type { Act, ListName } from '../bridge-mqtt/index.ts'
import { SystemClock } from '../shared/runtime/index.ts'
import { reach } from './server-line.ts'

type Print = (text: string) => void

interface MqttCommandOptions {
  readonly server: string
  readonly at?: string
  readonly account?: string
  readonly json?: boolean
}

/** `petiole mqtt …`: each asks one server, of which nothing is loaded before. */
export function addMqttCommands(program: Command, print: Print): void {
  const mqtt = program.command('mqtt').description('look after the MQTT clients of a server')
  const server = mqtt
    .createOption('--server <url>', 'the server, as nats://[user:password@]host[:port]')
    .env('PETIOLE_SERVER')
    .default('nats://127.0.0.1:4222')
  const command = (name: string, description: string): Command =>
    mqtt
      .command(name)
      .description(description)
      .addOption(server)
      .option('--at <name>', 'another server that this one is linked with')
      .option('--account <account>', 'of this account; only the system account may name another')
      .option('--json', 'print JSON')
  const lists = {
    clients: 'who is connected',
    sessions: 'sessions that outlive their connections, and what waits for them',
    retained: 'retained messages',
  }
  for (const [name, description] of Object.entries(lists)) {
    const list = command(name, description).option('--limit <count>', 'print so many at most')
    if (name === 'retained') list.argument('[filter]', 'of topics that match it')
    else list.argument('[client]', 'of this client id')
    list.action((which: string | undefined, options: MqttCommandOptions & { limit?: string }) =>
      listed(name as ListName, which, options).then(print),
    )
  }
  command('kick', 'end the connection of a client')
    .argument('<client>', 'its client id')
    .option('--session', 'end its session too: what waits for it is gone')
    .action((client: string, options: MqttCommandOptions & { session?: boolean }) =>
      done('KICK', { client, session: options.session === true }, options).then(print),
    )
  command('end', 'end a session, connected or not: what waits for it is gone')
    .argument('<client>', 'its client id')
    .action((client: string, options: MqttCommandOptions) =>
      done('END', { client }, options).then(print),
    )
  command('forget', 'remove a retained message')
    .argument('<topic>')
    .action((topic: string, options: MqttCommandOptions) =>
      done('FORGET', { topic }, options).then(print),
    )
}

async function listed(
  name: ListName,
  which: string | undefined,
  { server, json, limit, ...options }: MqttCommandOptions & { limit?: string },
): Promise<string> {
  const { listOf, renderListing } = await import('../bridge-mqtt/index.ts')
  if (limit !== undefined && !/^[1-9]\d{0,8}$/.test(limit)) {
    throw new Error(`--limit ${limit} is no number of entries: give one from 1`)
  }
  const line = await reach(server, 'server')
  try {
    const listing = await listOf(line, name, {
      ...options,
      ...(which === undefined ? {} : { [name === 'retained' ? 'filter' : 'client']: which }),
      ...(limit === undefined ? {} : { limit: Number(limit) }),
    })
    const { entries, ...rest } = listing
    if (json) return JSON.stringify({ ...rest, [name]: entries })
    return renderListing(name, listing, new SystemClock().wallMs())
  } finally {
    await line.close()
  }
}

async function done(
  name: Act['name'],
  body: Readonly<Record<string, unknown>>,
  { server, at, account, json }: MqttCommandOptions,
): Promise<string> {
  const { act, renderDone } = await import('../bridge-mqtt/index.ts')
  const line = await reach(server, 'server')
  try {
    const whole = { ...body, ...(account === undefined ? {} : { account }) }
    const answer = await act(line, { name, body: whole, ...(at === undefined ? {} : { at }) })
    return json ? JSON.stringify(answer) : renderDone(name, answer)
  } finally {
    await line.close()
  }
}
