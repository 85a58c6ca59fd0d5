import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, readFileSync, statfsSync } from 'node:fs'
import { cpus, loadavg, platform, release, totalmem } from 'node:os'
import * as path from 'node:path'
import { RESULTS_FOLDER, ROOT } from './results.ts'

/** Without these a figure says nothing: what it was measured on, against what, and how busy that was. */
export interface MachineFacts {
  readonly date: string
  readonly cpu: string
  readonly cores: number
  readonly memoryGiB: number
  readonly system: string
  readonly filesystem: string
  /** 1, 5 and 15 minutes, before the first figure: above a fraction of the cores, prefer the ratios. */
  readonly load: readonly number[]
  readonly versions: Readonly<Record<string, string>>
}

export interface Peers {
  readonly natsServer: string | undefined
  readonly mosquitto: string | undefined
}

/** Magic numbers of statfs(2), for the file systems that one meets. */
const FILE_SYSTEMS: Readonly<Record<number, string>> = {
  61267: 'ext4',
  1481003842: 'xfs',
  2435016766: 'btrfs',
  16914836: 'tmpfs: durable figures mean nothing here',
  2035054128: 'overlay',
}

export function findPeers(): Peers {
  return {
    natsServer: process.env['NATS_SERVER'] ?? findBinary('nats-server'),
    mosquitto: findBinary('mosquitto'),
  }
}

export function machineFacts(peers: Peers): MachineFacts {
  const { version } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8'))
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    filesystem: fileSystemOf(RESULTS_FOLDER),
    load: loadavg().map((load) => Math.round(load * 100) / 100),
    versions: {
      petiole: `${version} ${said('git', ['-C', ROOT, 'describe', '--always', '--dirty'])}`,
      node: process.version,
      'nats-server': versionOf(peers.natsServer, ['--version']),
      mosquitto: versionOf(peers.mosquitto, ['-h']),
    },
  }
}

function findBinary(name: string): string | undefined {
  const folders = [
    path.join(ROOT, '.peers/bin'),
    ...(process.env['PATH'] ?? '').split(path.delimiter),
  ]
  // Daemons are often where a user's path does not look.
  for (const folder of [...folders, '/usr/sbin', '/usr/local/sbin']) {
    const file = path.join(folder, name)
    try {
      accessSync(file, constants.X_OK)
      return file
    } catch {}
  }
  return undefined
}

function versionOf(binary: string | undefined, args: readonly string[]): string {
  if (binary === undefined) return 'missing'
  return /\d+\.\d+\.\d+\S*/.exec(said(binary, args))?.[0] ?? 'unknown'
}

/** What a program says first, whatever its exit code is. */
function said(binary: string, args: readonly string[]): string {
  try {
    return execFileSync(binary, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    }).trim()
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string }
    return `${stdout}${stderr}`.trim()
  }
}

function fileSystemOf(folder: string): string {
  mkdirSync(folder, { recursive: true })
  const { type } = statfsSync(folder)
  return FILE_SYSTEMS[type] ?? `type 0x${type.toString(16)}`
}
