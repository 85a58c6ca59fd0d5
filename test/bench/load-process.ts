import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as path from 'node:path'
import { promisify } from 'node:util'

const OUTPUT_BYTES_MAX = 1024 * 1024

/** Runs a script of this folder in a process of its own and returns what it prints. */
export async function runLoad<Load, Result>(
  script: string,
  load: Load,
  nodeFlags: readonly string[] = [],
): Promise<Result> {
  const args = [...nodeFlags, ...argsOf(script, load)]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    maxBuffer: OUTPUT_BYTES_MAX,
  })
  return JSON.parse(stdout) as Result
}

/** The same for a load that stays when it has said its result, until `end`. */
export async function holdLoad<Load, Result>(
  script: string,
  load: Load,
): Promise<{ readonly result: Result; end(): Promise<void> }> {
  const child = spawn(process.execPath, argsOf(script, load), {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  let said = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    said += chunk
    if (said.includes('\n')) break
  }
  if (said === '') throw new Error(`${script} ended without a result`)
  return {
    result: JSON.parse(said) as Result,
    end: async () => {
      child.kill()
      await exited
    },
  }
}

function argsOf(script: string, load: unknown): string[] {
  return ['--import=tsx', path.join(import.meta.dirname, script), JSON.stringify(load)]
}
