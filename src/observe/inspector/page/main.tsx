import { render } from 'preact';
import { App } from './app.js';
import { FeedLine } from './data/feed-line.js';
import { InspectorContext } from './data/inspector.js';
import { Navigation } from './data/navigation.js';
import { applyStoredTheme } from './frame/theme.js';

const inspector = { feed: new FeedLine(), navigation: new Navigation() };
applyStoredTheme();
inspector.feed.open();
render(
  <InspectorContext.Provider value={inspector}>
    <App />
  </InspectorContext.Provider>,
  document.body,
);
