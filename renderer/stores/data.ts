import { useCallback, useEffect, useRef, useState } from 'react'
import type { CallName, Payload, Request, Response } from '../../electron/contract/channels.ts'
import type { Failure, Result } from '../../helper/contract/errors.ts'
import { call, isConnectionFailure, on, onConnection } from '../api.ts'
import { onTransition } from './lifecycle.ts'

/** `transition`: an agent changed its state. */
type Changed = Payload<'changed'>['what'] | 'transition'

export interface Loaded<T> {
  data: T | null
  error: Failure | null
  reload: () => void
}

/**
 * Reads one channel and reads it again when the app says that something it
 * depends on changed. The old answer stays on screen meanwhile; an answer that
 * was overtaken by a newer question is dropped. A null request asks nothing.
 */
export const useCall = <K extends CallName>(name: K, request: Request<K> | null, changes: readonly Changed[] = []): Loaded<Response<K>> => {
  const [state, setState] = useState<{ key: string; data: Response<K> | null; error: Failure | null }>({ key: '', data: null, error: null })
  const key = JSON.stringify(request)
  const turn = useRef(0)

  const load = useCallback(() => {
    const asked = JSON.parse(key) as Request<K> | null
    if (asked === null) return
    turn.current += 1
    const mine = turn.current
    void call(name, asked).then((answer) => {
      if (mine !== turn.current) return
      if (answer.ok) setState({ key, data: answer.value, error: null })
      else if (!isConnectionFailure(answer.error.about)) setState((old) => ({ key, data: old.key === key ? old.data : null, error: answer.error }))
    })
  }, [name, key])

  useEffect(() => {
    load()
    return () => {
      turn.current += 1
    }
  }, [load])

  const watched = changes.join(' ')
  useEffect(() => {
    const names = new Set<string>(watched.split(' '))
    const off = on('changed', ({ what }) => {
      if (names.has(what)) load()
    })
    const offTransition = names.has('transition') ? onTransition(load) : null
    let first = true
    const offConnection = onConnection((connection) => {
      if (!first && connection === 'connected') load()
      first = false
    })
    return () => {
      off()
      offTransition?.()
      offConnection()
    }
  }, [watched, load])

  return { data: state.data, error: state.error, reload: load }
}

/** What is asked once, by a press: whether the answer is awaited, and the failure of the last one. */
export const useSend = (): { busy: boolean; error: Failure | null; send: <T>(answer: Promise<Result<T>>) => Promise<Result<T>> } => {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<Failure | null>(null)
  const send = async <T>(asked: Promise<Result<T>>): Promise<Result<T>> => {
    setBusy(true)
    setError(null)
    const answer = await asked
    setBusy(false)
    if (!answer.ok) setError(answer.error)
    return answer
  }
  return { busy, error, send }
}

/** The present time, moving on every `everyMs`. */
export const useNow = (everyMs = 1000): number => {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), everyMs)
    return () => clearInterval(timer)
  }, [everyMs])
  return now
}
