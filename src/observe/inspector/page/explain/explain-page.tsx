import { useState } from 'preact/hooks';
import { useInspector, useLiveCluster, useMoment, useRoute } from '../data/inspector.js';
import { FILTER_CHARACTERS_MAX } from '../limits.js';
import { Empty } from '../parts/empty.js';
import { type About, abouts, guessAbout, isAbout } from './about.js';
import { Explanations } from './explanations.js';

const hints: Record<About, string> = {
  request: 'the id that the router gave it',
  transfer: '<epoch>/<request>/<batch>',
  key: 'model@world_size@worker_id@chunk_hash@dtype',
  page: 'its number in the arena',
};

/** Explains a request, transfer, key or page: its holders, its waits and its history. */
export function ExplainPage() {
  const { query } = useRoute();
  const isRecording = useLiveCluster()?.source.kind === 'recording';
  const isPast = useMoment() !== undefined && !isRecording;
  const asked = isAbout(query['about']) ? query['about'] : 'request';
  const { name: askedName = '', agent } = query;
  return (
    <div class="explain">
      <ExplainForm asked={asked} askedName={askedName} />
      {isPast && <p class="hint">Agents explain what is now; the rest of the page shows the past.</p>}
      {askedName === '' ? (
        <Empty title="What do you want explained?">
          A request that hangs, a transfer, a key or a page. You can also press a page of an arena, or the Explain tab
          of a request.
        </Empty>
      ) : (
        <Explanations key={`${asked} ${askedName}`} about={asked} name={askedName} agent={agent} />
      )}
    </div>
  );
}

interface ExplainFormProps {
  readonly asked: About;
  readonly askedName: string;
}

function ExplainForm({ asked, askedName }: ExplainFormProps) {
  const { navigation } = useInspector();
  const [about, setAbout] = useState<About>(asked);
  const [name, setName] = useState(askedName);
  // A link within the page changes what is asked. An effect would run too late: after the first key press.
  const [followed, setFollowed] = useState({ asked, askedName });
  if (followed.asked !== asked || followed.askedName !== askedName) {
    setFollowed({ asked, askedName });
    setAbout(asked);
    setName(askedName);
  }
  const submit = (event: Event) => {
    event.preventDefault();
    const trimmed = name.trim();
    if (trimmed !== '') navigation.go('explain', [], { about, name: trimmed });
  };
  const changeName = (text: string) => {
    setName(text);
    const guessed = guessAbout(text.trim());
    if (guessed !== undefined) setAbout(guessed);
  };
  return (
    <form class="explain-form" onSubmit={submit}>
      <AboutChoice about={about} choose={setAbout} />
      <input
        type="search"
        class="explain-name"
        data-filter
        aria-label="Name"
        placeholder={hints[about]}
        value={name}
        maxLength={FILTER_CHARACTERS_MAX * 2}
        autocomplete="off"
        spellcheck={false}
        onInput={(event) => changeName(event.currentTarget.value)}
      />
      <button type="submit" class="button accent">
        Explain
      </button>
    </form>
  );
}

function AboutChoice({ about, choose }: { readonly about: About; readonly choose: (about: About) => void }) {
  return (
    <fieldset class="segments">
      <legend class="unseen">About a</legend>
      {abouts.map((value) => (
        <label key={value} class={value === about ? 'segment chosen' : 'segment'}>
          <input type="radio" name="about" value={value} checked={value === about} onChange={() => choose(value)} />
          {value}
        </label>
      ))}
    </fieldset>
  );
}
