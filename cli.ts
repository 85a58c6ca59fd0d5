#!/usr/bin/env node
import { rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Command, Option } from 'commander'
import { codeOf, messageOf, SystemDisk } from './shared/runtime/index.ts'

/**
 * The binary. It parses the command line and loads one role lazily: `petiole config check` must not
 * pay for a server. Everything that is said to people here goes to stderr, but for what they asked for.
 */

const FLEET_DEADLINE_MS = 5_000
const WATCH_INTERVAL_MS = 2_000
const DRAIN_DEADLINE_MS = 30_000
const DESTROY_DEADLINE_MS = 2_000
const CLEAR_SCREEN = '\x1b[2J\x1b[H'

const { version } = createRequire(import.meta.url)('../package.json') as { version: string }

const program = new Command('petiole')
  .description('Edge-to-cloud messaging: MQTT and NATS at the leaf, synced to the hub exactly once')
  .version(version, '-v, --version')
  .enablePositionalOptions()

for (const role of ['hub', 'leaf'] as const) {
  program
    .command(role)
    .description(`run a ${role}; takes -c FILE and nats-server's flags, see --help`)
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[flags...]')
    .action((flags: string[]) => runRole(role, flags))
}

const hubOption = new Option('--hub <url>', 'the hub, as nats://[user:password@]host[:port]')
  .env('PETIOLE_HUB')
  .default('nats://127.0.0.1:4222')

const fleet = program.command('fleet').description('look after the leaves of a hub')
fleet
  .command('status')
  .description('is every site in sync, and when will it be?')
  .addOption(hubOption)
  .option('--json', 'print the status as JSON')
  .option('--watch', `print it again every ${WATCH_INTERVAL_MS / 1000} s`)
  .action((options: { hub: string; json?: boolean; watch?: boolean }) => fleetStatus(options))
fleet
  .command('release')
  .description('let another identity take a leaf name: the old one is gone for good')
  .argument('<name>', 'the name of the leaf')
  .addOption(hubOption)
  .action((name: string, options: { hub: string }) => fleetRelease(name, options.hub))

program
  .command('config')
  .description('look at configuration files')
  .command('check')
  .description('print every problem of a configuration file; exit 1 when there is one')
  .argument('<file>')
  .addOption(new Option('--role <role>', 'check it as this role').choices(['hub', 'leaf']))
  .action((file: string, options: { role?: 'hub' | 'leaf' }) => configCheck(file, options.role))

// Whoever reads what we print may have seen enough: `petiole fleet status --watch | head`.
process.stdout.on('error', () => process.exit(0))

try {
  await program.parseAsync()
} catch (error) {
  process.stderr.write(`petiole: ${messageOf(error)}\n`)
  // At once: a connection that hangs must not hold up a script.
  process.exit(1)
}

async function runRole(role: 'hub' | 'leaf', flags: readonly string[]): Promise<void> {
  const { flagsHelp, flagsToOverrides, formatProblem, loadConfig } = await import(
    './shared/config/index.ts'
  )
  const parsed = flagsToOverrides(flags, role)
  if (parsed.wants === 'help') return print(flagsHelp(role))
  if (parsed.wants === 'version') return print(`petiole: v${version}`)
  const disk = new SystemDisk()
  const loaded =
    role === 'hub'
      ? await loadConfig(disk, parsed.configFile, 'hub', parsed.overrides)
      : await loadConfig(disk, parsed.configFile, 'leaf', parsed.overrides)
  if (parsed.wants === 'check') return print('configuration is valid')

  const { createLog } = await import('./shared/log/index.ts')
  const log = createLog(loaded.config)
  for (const warning of parsed.warnings) log.warn({}, warning)
  for (const warning of loaded.warnings) log.warn({}, formatProblem(warning))
  const { startRole } = await import('./index.ts')
  const starting = startRole(loaded.config, { log })
  drainOnSignal(starting, log)
  await starting
  if (loaded.config.pid_file !== '') keepPidFile(loaded.config.pid_file)
}

interface Running {
  drain(): Promise<void>
  destroy(): Promise<void>
}

interface Said {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The first signal finishes what is in hand, also a start; the second does not. */
function drainOnSignal(starting: Promise<Running>, log: Said): void {
  let isDraining = false
  const stop = (signal: NodeJS.Signals): void => {
    if (isDraining) {
      log.warn({ signal }, 'stopping at once')
      const exit = (): never => process.exit(1)
      starting.then((running) => running.destroy()).then(exit, exit)
      setTimeout(exit, DESTROY_DEADLINE_MS)
      return
    }
    isDraining = true
    log.info({ signal }, 'draining')
    const timer = setTimeout(() => stop(signal), DRAIN_DEADLINE_MS)
    starting
      .then((running) => running.drain())
      .then(() => {
        clearTimeout(timer)
        log.info({}, 'Server Exiting..')
        process.exit(0)
      })
      .catch((error: unknown) => {
        log.error({ err: error }, 'could not drain')
        process.exit(1)
      })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  process.on('SIGHUP', () => log.warn({}, 'reload is not supported yet: restart to apply changes'))
}

function keepPidFile(file: string): void {
  writeFileSync(file, `${process.pid}\n`)
  process.on('exit', () => rmSync(file, { force: true }))
}

async function fleetStatus(options: {
  hub: string
  json?: boolean
  watch?: boolean
}): Promise<void> {
  const { renderFleetStatus } = await import('./hub/index.ts')
  const ask = (): Promise<string> => askHub(options.hub, '$FLEET.STATUS', '')
  const show = (status: string): string =>
    options.json ? status : renderFleetStatus(JSON.parse(status))
  if (!options.watch) return print(show(await ask()))
  for (;;) {
    const page = await ask().then(show, (error: unknown) => `petiole: ${messageOf(error)}`)
    print(process.stdout.isTTY && !options.json ? CLEAR_SCREEN + page : page)
    await new Promise((resolve) => setTimeout(resolve, WATCH_INTERVAL_MS))
  }
}

async function fleetRelease(name: string, hub: string): Promise<void> {
  const answer = JSON.parse(await askHub(hub, '$FLEET.RELEASE', name))
  if (typeof answer?.error === 'string') throw new Error(answer.error)
  print(`released ${name}: the next leaf that attaches under this name keeps it`)
}

async function askHub(hub: string, subject: string, body: string): Promise<string> {
  const { connect } = await import('@nats-io/transport-node')
  const credentials = credentialsOf(hub)
  const { servers } = credentials
  const connection = await connect({ ...credentials, timeout: FLEET_DEADLINE_MS }).catch(
    (error: unknown) => {
      const reason = messageOf(error)
      const advice = /authoriz/i.test(reason)
        ? 'Give user and password: --hub nats://user:password@host:port'
        : 'Is it running? Name another with --hub URL'
      throw new Error(`no answer from a hub at ${servers}: ${reason}. ${advice}`)
    },
  )
  try {
    return (await connection.request(subject, body, { timeout: FLEET_DEADLINE_MS })).string()
  } catch (error) {
    const isAbsent = codeOf(error) === '503' || /no responders/i.test(messageOf(error))
    throw new Error(
      isAbsent
        ? `${servers} is no Petiole hub, or these credentials may not ask for ${subject}`
        : `${servers} did not answer: ${messageOf(error)}`,
    )
  } finally {
    await connection.close()
  }
}

function credentialsOf(hub: string) {
  const text = hub.includes('://') ? hub : `nats://${hub}`
  if (!URL.canParse(text)) {
    throw new Error(`--hub ${hub} is no address: write nats://[user:password@]host[:port]`)
  }
  const url = new URL(text)
  const user = decodeURIComponent(url.username)
  const pass = decodeURIComponent(url.password)
  return {
    servers: `${url.hostname}:${url.port || 4222}`,
    ...(user !== '' && pass !== '' ? { user, pass } : {}),
    ...(user !== '' && pass === '' ? { token: user } : {}),
  } as { servers: string; user?: string; pass?: string; token?: string }
}

async function configCheck(file: string, asked: 'hub' | 'leaf' | undefined): Promise<void> {
  const { checkConfig, formatProblem } = await import('./shared/config/index.ts')
  const { role, problems, warnings } = await checkConfig(new SystemDisk(), file, asked)
  for (const problem of problems) print(formatProblem(problem))
  for (const warning of warnings) print(`${formatProblem(warning)} (warning)`)
  if (problems.length > 0) process.exitCode = 1
  else print(`${file} is a valid configuration of a ${role}`)
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
