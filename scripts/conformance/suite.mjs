/**
 * What a run needs: checkouts of the suite and of Deno's standard library, which whoever runs it has, and Deno
 * itself, from npm into .conformance/. The standard library is a checkout because the registry that the suite
 * names for it cannot be reached from everywhere.
 */
import { spawnSync } from 'node:child_process'
import * as fs from 'node:fs'
import * as path from 'node:path'
import { pathToFileURL } from 'node:url'

const ROOT = path.resolve(import.meta.dirname, '..', '..')
export const CACHE = path.join(ROOT, '.conformance')

export const SUITE = {
  name: 'nats.js',
  url: 'https://github.com/nats-io/nats.js',
  version: 'v3.4.0',
  commit: '95e76e79d9feaa0a0bf3b0e8da526ec5a3460979',
}
const STD = {
  url: 'https://github.com/denoland/std',
  commit: 'ca58f9427152c946ce1c1bc287d290efde1fbab7',
}
export const DENO_VERSION = '2.9.6'

const MODULES = ['core', 'jetstream', 'kv', 'obj', 'services', 'nst', 'transport-deno']
const STD_PACKAGES = ['assert', 'bytes', 'internal', 'fmt', 'io', 'async', 'data-structures']
const NPM_IMPORTS = {
  '@nats-io/nkeys': 'npm:@nats-io/nkeys@2.0.3',
  '@nats-io/nuid': 'npm:@nats-io/nuid@3.0.0',
  '@nats-io/jwt': 'npm:@nats-io/jwt@0.0.11',
  ajv: 'npm:ajv@8.17.1',
  'js-sha256': 'npm:js-sha256@0.11.1',
}

export function prepare({ suite, std }) {
  fs.mkdirSync(CACHE, { recursive: true })
  const suiteFolder = given('suite', suite, SUITE)
  const importMap = path.join(CACHE, 'import-map.json')
  fs.writeFileSync(
    importMap,
    JSON.stringify(importsOf(suiteFolder, given('std', std, STD)), null, 2),
  )
  return {
    suite: suiteFolder,
    importMap,
    deno: installedDeno(),
    denoFolder: path.join(CACHE, 'deno-cache'),
  }
}

/** The test files of a module, as paths within the suite. */
export function filesOf(module, suiteFolder) {
  return ['tests', 'unsafe_tests'].flatMap((folder) => {
    const place = path.join(suiteFolder, module, folder)
    if (!fs.existsSync(place)) return []
    return fs
      .readdirSync(place)
      .filter((name) => name.endsWith('_test.ts'))
      .map((name) => `${module}/${folder}/${name}`)
  })
}

function given(option, folder, { url, commit }) {
  if (folder !== undefined && fs.existsSync(folder)) return path.resolve(folder)
  return fail(`--${option} DIR must be a checkout of ${url}, tried at ${commit.slice(0, 12)}`)
}

/** npm picks the package that has the binary for this machine; its install script need not run. */
function installedDeno() {
  const folder = path.join(CACHE, `deno-${DENO_VERSION}`)
  const scope = path.join(folder, 'node_modules', '@deno')
  const binary = () => {
    const names = fs.existsSync(scope) ? fs.readdirSync(scope) : []
    return names.map((name) => path.join(scope, name, 'deno')).find((file) => fs.existsSync(file))
  }
  const found = binary()
  if (found !== undefined) return found
  process.stderr.write(`conformance: installing Deno ${DENO_VERSION} …\n`)
  fs.mkdirSync(folder, { recursive: true })
  fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n')
  run('npm', ['install', '--ignore-scripts', '--prefix', folder, `deno@${DENO_VERSION}`])
  return binary() ?? fail('npm has no Deno for this machine')
}

function importsOf(suiteFolder, stdFolder) {
  const inSuite = (file) => pathToFileURL(path.join(suiteFolder, file)).href
  const imports = { ...NPM_IMPORTS, nst: inSuite('nst/src/mod.ts') }
  const scopes = {}
  for (const module of MODULES) {
    const name = module === 'core' ? 'nats-core' : module
    imports[`@nats-io/${name}`] = inSuite(`${module}/src/mod.ts`)
    imports[`@nats-io/${name}/internal`] = inSuite(`${module}/src/internal_mod.ts`)
    for (const folder of ['tests', 'unsafe_tests']) {
      scopes[inSuite(`${module}/${folder}/`)] = { nst: inSuite(`${module}/tests/nst.ts`) }
    }
  }
  for (const name of STD_PACKAGES) {
    const folder = path.join(stdFolder, name.replace('-', '_'))
    const { exports } = JSON.parse(fs.readFileSync(path.join(folder, 'deno.json'), 'utf8'))
    for (const [key, file] of Object.entries(exports)) {
      imports[`@std/${name}${key.slice(1)}`] = pathToFileURL(path.join(folder, file)).href
    }
  }
  return { imports, scopes }
}

function run(command, args) {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) fail(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}

function fail(message) {
  process.stderr.write(`conformance: ${message}\n`)
  process.exit(2)
}
