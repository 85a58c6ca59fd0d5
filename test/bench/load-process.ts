import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import * as path from 'node:path'
import { promisify } from 'node:util'
import { LOAD_DEADLINE_MS } from './deadline.ts'

const OUTPUT_BYTES_MAX = 1024 * 1024

export interface LoadOptions {
  readonly nodeFlags?: readonly string[]
  readonly deadlineMs?: number
}

/** Runs a script of this folder in a process of its own and returns what it prints. */
export async function runLoad<Load, Result>(
  script: string,
  load: Load,
  { nodeFlags = [], deadlineMs = LOAD_DEADLINE_MS }: LoadOptions = {},
): Promise<Result> {
  const args = [...nodeFlags, ...argsOf(script, load)]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, args, {
      maxBuffer: OUTPUT_BYTES_MAX,
      timeout: deadlineMs,
      killSignal: 'SIGKILL',
    })
    return JSON.parse(stdout) as Result
  } catch (error) {
    const { killed, stderr } = error as { killed?: boolean; stderr?: string }
    const how = killed === true ? `had no result after ${deadlineMs / 1_000} s` : 'failed'
    throw new Error(`${script} ${how}: ${JSON.stringify(load)}\n${stderr ?? ''}`, { cause: error })
  }
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
  const timer = setTimeout(() => child.kill('SIGKILL'), LOAD_DEADLINE_MS)
  let said = ''
  for await (const chunk of child.stdout.setEncoding('utf8')) {
    said += chunk
    if (said.includes('\n')) break
  }
  clearTimeout(timer)
  if (!said.includes('\n')) {
    const limit = `${LOAD_DEADLINE_MS / 1_000} s`
    throw new Error(`${script} ended, or had no result after ${limit}: ${JSON.stringify(load)}`)
  }
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
