#!/usr/bin/env node
import { once } from 'node:events'
import { createWriteStream, rmSync, type WriteStream } from 'node:fs'
import * as nodeModule from 'node:module'
import * as path from 'node:path'
import type { Command } from 'commander'
import {
  codeOf,
  messageOf,
  readSecretFile,
  SystemClock,
  SystemDisk,
} from './shared/runtime/index.ts'

/**
 * The binary. It parses the command line and loads what that asks for: `petiole config check` must not
 * pay for a server, nor a server for the other commands. Everything that is said to people here goes to
 * stderr, but for what they asked for.
 */

const WATCH_INTERVAL_MS = 2_000
/** Of `petiole store …`. */
const KEYS_HELP = `
Keys come from files, or from the environment: PETIOLE_STORE_KEY and PETIOLE_STORE_PREV_KEY.
Without its key an encrypted store can be checked and repaired as far as checksums go, not exported.`
const CLEAR_SCREEN = '\x1b[2J\x1b[H'

type Role = 'hub' | 'leaf'
type Program = 'petiole' | 'nats-server'

const { version } = nodeModule.createRequire(import.meta.url)('../package.json') as {
  version: string
}

rememberCompiled()

// Whoever reads what we print may have seen enough: `petiole fleet status --watch | head`.
process.stdout.on('error', () => process.exit(0))

try {
  const [command, ...flags] = process.argv.slice(2)
  if (command === 'hub' || command === 'leaf') await runRole(command, flags, 'petiole')
  else if (command === 'nats-server') await runDropIn(flags)
  else await (await commandLine()).parseAsync()
} catch (error) {
  const name = process.argv[2] === 'nats-server' ? 'nats-server' : 'petiole'
  process.stderr.write(`${name}: ${messageOf(error)}\n`)
  // At once: a connection that hangs must not hold up a script.
  process.exit(1)
}

/** What a process may be asked that is no server; of the roles it knows what the help says. */
async function commandLine(): Promise<Command> {
  const { Command, Option } = await import('commander')
  const { addMqttCommands } = await import('./commands/index.ts')
  const program = new Command('petiole')
    .description(
      'Edge-to-cloud messaging: MQTT and NATS at the leaf, synced to the hub exactly once',
    )
    .version(version, '-v, --version')
    .enablePositionalOptions()

  for (const role of ['hub', 'leaf'] as const) {
    program
      .command(role)
      .description(`run a ${role}; takes -c FILE and nats-server's flags, see --help`)
      .helpOption(false)
      .argument('[flags...]')
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
    .option('--account <account>', "the leaf's account, for operators; an id where there are JWTs")
    .action((name: string, options: { hub: string; account?: string }) =>
      fleetRelease(name, options),
    )

  addMqttCommands(program, print)
  addStoreCommands(program)

  program
    .command('config')
    .description('look at configuration files')
    .command('check')
    .description('print every problem of a configuration file; exit 1 when there is one')
    .argument('<file>')
    .addOption(new Option('--role <role>', 'check it as this role').choices(['hub', 'leaf']))
    .action((file: string, options: { role?: 'hub' | 'leaf' }) => configCheck(file, options.role))
  return program
}

/**
 * From Node 22 on what V8 has compiled is kept beside the code, where nobody can write who cannot change
 * the code itself; a temporary directory would let others do so. Where that is read-only nothing is kept.
 */
function rememberCompiled(): void {
  const { enableCompileCache } = nodeModule as { enableCompileCache?: (folder: string) => unknown }
  enableCompileCache?.(path.join(import.meta.dirname, '.compiled'))
}

async function runRole(role: Role, args: readonly string[], program: Program): Promise<void> {
  const { flagsHelp, flagsToOverrides } = await import('./shared/config/index.ts')
  const flags = flagsToOverrides(args, role)
  if (flags.wants === 'help') {
    const usage = program === 'petiole' ? `petiole ${role}` : program
    return print(`Usage: ${usage} [options]\n\n${flagsHelp(role)}`)
  }
  if (flags.wants === 'version') return printVersion(program)
  const { load, processName, sendSignal, serve } = await import('./process/index.ts')
  if (flags.wants === 'signal') {
    return sendSignal(flags.signal, processName({ program, role }))
  }
  const { startRole } = await import('./index.ts')
  const options = { role, flags, program, version, disk: new SystemDisk(), start: startRole }
  if (flags.wants === 'run') return serve(options)
  const { config, digest } = await load(options)
  const { checkServerConfig } = await import('./shared/server/index.ts')
  checkServerConfig(config)
  const verdict = `${program}: configuration file ${flags.configFile} is valid (${digest})\n`
  const stream = program === 'petiole' ? process.stdout : process.stderr
  stream.write(verdict)
}

/** A nats-server that dials hubs is what we call a leaf; any other is a hub. */
async function runDropIn(args: readonly string[]): Promise<void> {
  const { flagsToOverrides, roleOfFile } = await import('./shared/config/index.ts')
  const { configFile } = flagsToOverrides(args, 'hub')
  const isAbsent = configFile === undefined
  const role = isAbsent ? 'hub' : await roleOfFile(new SystemDisk(), configFile)
  await runRole(role, args, 'nats-server')
}

interface KeyOptions {
  readonly keyFile?: string
  readonly prevKeyFile?: string
}

/** What is common to the commands for a store. */
type StoreCommandOptions = KeyOptions & { readonly json?: boolean }

function addStoreCommands(program: Command): void {
  const store = program
    .command('store')
    .description('look after a store directory that no server has open')
    .addHelpText('after', KEYS_HELP)
  const command = (name: string, description: string): Command =>
    store
      .command(name)
      .description(description)
      .argument('<dir>', 'the directory that jetstream.store_dir names')
      .option('--key-file <file>', 'the key of an encrypted store')
      .option('--prev-key-file <file>', 'the one before it, until all is written again')
      .addHelpText('after', KEYS_HELP)
  command('check', 'read everything and say what does not hold; exit 1 when something does not')
    .option('--json', 'print the report as JSON')
    .action(storeCheck)
  command(
    'repair',
    'copy what is damaged to quarantine and make indexes anew; what is readable stays',
  )
    .option('--json', 'print the report as JSON')
    .action(storeRepair)
  command('export', 'print the messages of streams, one JSON line each')
    .argument('[streams...]', 'names of streams; all when there are none')
    .option('--raw', 'print payloads only, one behind the other')
    .option('-o, --output <file>', 'write to a file that does not exist yet')
    .action(storeExport)
}

async function upkeepOf(directory: string, { keyFile, prevKeyFile }: KeyOptions) {
  const key = await secretOf(keyFile, 'PETIOLE_STORE_KEY')
  const previousKey = await secretOf(prevKeyFile, 'PETIOLE_STORE_PREV_KEY')
  const encryption = {
    ...(key === undefined ? {} : { key }),
    ...(previousKey === undefined ? {} : { previousKey }),
  }
  return { disk: new SystemDisk(), clock: new SystemClock(), directory, encryption }
}

async function secretOf(
  file: string | undefined,
  variable: string,
): Promise<Uint8Array | undefined> {
  if (file !== undefined) return readSecretFile(file)
  const text = process.env[variable] ?? ''
  return text === '' ? undefined : Buffer.from(text)
}

async function storeCheck(directory: string, options: StoreCommandOptions): Promise<void> {
  const { checkStore, renderCheck } = await import('./shared/store/index.ts')
  const report = await checkStore(await upkeepOf(directory, options))
  print(options.json ? JSON.stringify(report) : renderCheck(report))
  if (!report.ok) process.exitCode = 1
}

async function storeRepair(directory: string, options: StoreCommandOptions): Promise<void> {
  const { renderRepair, repairStore } = await import('./shared/store/index.ts')
  const report = await repairStore(await upkeepOf(directory, options))
  print(options.json ? JSON.stringify(report) : renderRepair(report))
  if (!report.after.ok) process.exitCode = 1
}

async function storeExport(
  directory: string,
  streams: readonly string[],
  { raw, output, ...keys }: KeyOptions & { readonly raw?: boolean; readonly output?: string },
): Promise<void> {
  const { exportStore } = await import('./shared/store/index.ts')
  const file = output === undefined ? undefined : await newFile(output)
  const target = file ?? process.stdout
  // What waits is written, or has failed, when the callback comes: this is the back-pressure too.
  const write = (bytes: Uint8Array): Promise<void> =>
    new Promise((resolve, reject) => {
      target.write(bytes, (error) => (error ? reject(error) : resolve()))
    })
  const options = { ...(await upkeepOf(directory, keys)), streams, write }
  const summary = await exportStore({ ...options, format: raw ? 'raw' : 'json' }).catch((error) => {
    // Else the next try would find a file there.
    if (file?.bytesWritten === 0) rmSync(file.path, { force: true })
    throw error
  })
  if (file !== undefined) await new Promise<void>((resolve) => file.end(resolve))
  const { messages, lost } = summary
  process.stderr.write(
    `petiole: ${messages} messages of ${summary.streams} streams, ${lost} lost\n`,
  )
  if (lost > 0) process.exitCode = 1
}

async function newFile(file: string): Promise<WriteStream> {
  const stream = createWriteStream(file, { flags: 'wx' })
  try {
    await once(stream, 'open')
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') {
      throw new Error(
        `${file} exists already and is not overwritten: remove it, or name another file`,
      )
    }
    if (code === 'ENOENT') {
      throw new Error(
        `${file} cannot be made: there is no folder ${path.dirname(file)}: make it first`,
      )
    }
    throw new Error(`${file} cannot be made: ${messageOf(error)}`)
  }
  // Whoever writes hears of it.
  stream.on('error', () => {})
  return stream
}

async function printVersion(program: Program): Promise<void> {
  if (program === 'petiole') return print(`petiole: v${version}`)
  const { SERVER_VERSION } = await import('./shared/wire/index.ts')
  print(`nats-server: v${SERVER_VERSION}`)
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

async function fleetRelease(
  name: string,
  { hub, account = '' }: { hub: string; account?: string },
): Promise<void> {
  const { releaseSubject } = await import('./shared/sync/index.ts')
  const answer = JSON.parse(await askHub(hub, releaseSubject(account), name))
  if (typeof answer?.error === 'string') throw new Error(answer.error)
  print(`released ${name}: the next leaf that attaches under this name keeps it`)
}

async function askHub(hub: string, subject: string, body: string): Promise<string> {
  const { reach } = await import('./commands/index.ts')
  const server = await reach(hub, 'hub')
  try {
    return await server.ask(subject, body)
  } finally {
    await server.close()
  }
}

async function configCheck(file: string, asked: 'hub' | 'leaf' | undefined): Promise<void> {
  const { checkConfig, formatProblem } = await import('./shared/config/index.ts')
  const { role, problems, warnings } = await checkConfig(new SystemDisk(), file, asked)
  for (const problem of problems) print(formatProblem(problem))
  for (const warning of warnings) print(`${formatProblem(warning)} (warning)`)
  if (problems.length > 0) {
    process.exitCode = 1
    return
  }
  await checkAsServer(file, role)
  print(`${file} is a valid configuration of a ${role}`)
}

/** What the server would refuse at its start. */
async function checkAsServer(file: string, role: Role): Promise<void> {
  const { loadConfig } = await import('./shared/config/index.ts')
  const { checkServerConfig } = await import('./shared/server/index.ts')
  const disk = new SystemDisk()
  const loaded = await (role === 'hub'
    ? loadConfig(disk, file, role)
    : loadConfig(disk, file, role))
  checkServerConfig(loaded.config)
}

function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`)
}
