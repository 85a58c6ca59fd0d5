import * as v from 'valibot'
import type { Disk } from '../runtime/index.ts'
import { assembleHub, assembleLeaf } from './assembly.ts'
import type { ConfigInput, HubConfig, LeafConfig, Role } from './config.ts'
import { checkHub, checkLeaf } from './cross-checks.ts'
import { configDigest } from './digest.ts'
import { readTree } from './files.ts'
import { type Finding, Findings } from './findings.ts'
import { mergeTrees, removeNulls } from './merge.ts'
import { PlainReader } from './plain.ts'
import { ConfigError, type Position, type Problem } from './problem.ts'
import { type Key, touches, without } from './pruning.ts'
import { withReferredFiles } from './referred-files.ts'
import type { Environment } from './resolve.ts'
import { hubSchema, leafSchema } from './schema.ts'
import { type BlockNode, treeOf } from './tree.ts'

/** A configuration that holds, and what its author should know about it all the same. */
export interface Loaded<Config> {
  readonly config: Config
  readonly warnings: readonly Problem[]
  /** `sha256:…` of what the file says; '' without a file. */
  readonly digest: string
}

export interface Checked {
  /** As asked for, or as the file's keys show. */
  readonly role: Role
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

const EMPTY: BlockNode = { kind: 'block', entries: [], position: undefined }
const COMMAND_LINE: Position = { file: 'command line', line: 0 }

/**
 * Reads a file and lays `overrides` (from the command line, see `flagsToOverrides`) over it.
 * Without a path the overrides are all there is. Rejects with a ConfigError that holds every problem.
 */
export function loadConfig(
  disk: Disk,
  path: string | undefined,
  role: 'hub',
  overrides?: ConfigInput,
  environment?: Environment,
): Promise<Loaded<HubConfig>>
export function loadConfig(
  disk: Disk,
  path: string | undefined,
  role: 'leaf',
  overrides?: ConfigInput,
  environment?: Environment,
): Promise<Loaded<LeafConfig>>
export async function loadConfig(
  disk: Disk,
  path: string | undefined,
  role: Role,
  overrides: ConfigInput = {},
  environment: Environment = process.env,
): Promise<Loaded<HubConfig | LeafConfig>> {
  const read =
    path === undefined
      ? { tree: EMPTY, problems: [], warnings: [] }
      : await readTree(disk, path, environment)
  const { tree, problems: unread } = await withReferredFiles(
    disk,
    mergeTrees(removeNulls(read.tree, overrides), overridesTree(overrides)),
  )
  const judged = judge(tree, role)
  const problems = [...read.problems, ...unread, ...judged.problems]
  if (judged.config === undefined || problems.length > 0) throw new ConfigError(inOrder(problems))
  const warnings = [...read.warnings, ...judged.warnings]
  const digest = path === undefined ? '' : configDigest(read.tree)
  return { config: { ...judged.config, config_digest: digest }, warnings, digest }
}

/** The same schema for a program that embeds a role. Throws a ConfigError that holds every problem. */
export function parseConfig(input: ConfigInput, role: 'hub'): HubConfig
export function parseConfig(input: ConfigInput, role: 'leaf'): LeafConfig
export function parseConfig(input: ConfigInput, role: Role): HubConfig | LeafConfig {
  const tree = treeOf(input)
  const judged = judge(tree?.kind === 'block' ? tree : EMPTY, role)
  if (judged.config === undefined) throw new ConfigError(judged.problems)
  return judged.config
}

/** Which role a file is of: what a `nats-server` that dials hubs is, is a leaf. */
export async function roleOfFile(
  disk: Disk,
  path: string,
  environment: Environment = process.env,
): Promise<Role> {
  return roleOf((await readTree(disk, path, environment)).tree)
}

/** All that `petiole config check` prints. Without a role, the file's own keys decide it. */
export async function checkConfig(
  disk: Disk,
  path: string,
  role?: Role,
  environment: Environment = process.env,
): Promise<Checked> {
  const read = await readTree(disk, path, environment)
  const { tree, problems: unread } = await withReferredFiles(disk, read.tree)
  const found = role ?? roleOf(tree)
  // What a broken file leaves out would only be reported as missing, too.
  const judged =
    read.problems.length > 0 && tree.entries.length === 0
      ? { problems: [], warnings: [] }
      : judge(tree, found)
  return {
    role: found,
    problems: inOrder([...read.problems, ...unread, ...judged.problems]),
    warnings: inOrder([...read.warnings, ...judged.warnings]),
  }
}

/** A leaf has buffers, or dials a hub; all else is a hub. */
function roleOf(tree: BlockNode): Role {
  const keys = tree.entries.map((entry) => entry.key.toLowerCase())
  if (keys.includes('fleet')) return 'hub'
  if (keys.includes('buffers')) return 'leaf'
  const leafnodes = tree.entries.find((entry) => /^leaf(nodes)?$/i.test(entry.key))?.value
  if (leafnodes?.kind !== 'block') return 'hub'
  return leafnodes.entries.some((entry) => /^remotes$/i.test(entry.key)) ? 'leaf' : 'hub'
}

interface Judged {
  readonly config?: HubConfig | LeafConfig
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

function judge(tree: BlockNode, role: Role): Judged {
  return role === 'hub'
    ? judgeWith(tree, hubSchema, assembleHub, checkHub)
    : judgeWith(tree, leafSchema, assembleLeaf, checkLeaf)
}

function judgeWith<Schema extends v.GenericSchema>(
  tree: BlockNode,
  schema: Schema,
  assemble: (file: v.InferOutput<Schema>) => HubConfig | LeafConfig,
  check: (file: v.InferOutput<Schema>) => Findings,
): Judged {
  const reader = new PlainReader()
  const located = (finding: Finding): Problem => {
    return { ...reader.placeOf(finding.keys), message: finding.message }
  }
  const plain = reader.read(tree, schema)
  const result = v.safeParse(schema, plain)
  const faults = result.success ? [] : result.issues.map(findingOf)
  const rest = result.success ? result : v.safeParse(schema, without(plain, faults))
  const found = rest.success ? check(rest.output) : NONE
  const isNew = (finding: Finding): boolean => !faults.some((fault) => touches(fault, finding))
  const problems = [...faults, ...found.problems.filter(isNew)].map(located)
  const warnings = [...reader.warnings, ...found.warnings.filter(isNew).map(located)]
  const all = [...reader.problems, ...problems]
  if (!result.success || all.length > 0) return { problems: all, warnings }
  return { config: assemble(result.output), problems: all, warnings }
}

const NONE = new Findings()

function findingOf(issue: v.BaseIssue<unknown>): Finding {
  return { keys: issue.path?.map((item) => item.key as Key) ?? [], message: issue.message }
}

function overridesTree(overrides: ConfigInput): BlockNode {
  const tree = treeOf(overrides, COMMAND_LINE)
  return tree?.kind === 'block' ? tree : EMPTY
}

function inOrder(problems: readonly Problem[]): readonly Problem[] {
  return problems.toSorted((a, b) => {
    const [x, y] = [a.position, b.position]
    if (x === undefined || y === undefined || x.file !== y.file) return 0
    return x.line - y.line
  })
}
