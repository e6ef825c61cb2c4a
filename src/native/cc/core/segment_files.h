// The files that engines may name as their memory: those below the directories of the settings, of the users of the settings,
// and no memory of an agent.
//
// A name is resolved by the kernel below a descriptor of the directory, and leads over no link. So neither `..`, nor a link,
// nor a rename meanwhile leads elsewhere.
//
// Any thread.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/segment.h"
#include "core/unique_fd.h"

namespace kvferry {

struct SegmentRules {
  std::vector<std::string> directories;
  std::vector<uid_t> owners;
};

class SegmentFiles {
 public:
  // Opens the directories. Blocks. Throws Failure(invalid_configuration).
  explicit SegmentFiles(const SegmentRules& rules);

  // `directory`: its place in the rules. `name`: the path below it. Blocks. Throw Failure(segment_not_found | segment_invalid).
  std::shared_ptr<Segment> open(size_t directory, const std::string& name) const;
  // What the name leads to now, although it may not be attached.
  FileIdentity look(size_t directory, const std::string& name) const;

 private:
  struct Directory {
    std::string path;
    UniqueFd fd;
    // Of /proc: its files are links to memory that has no name (memfd), which each process has open.
    bool of_processes;
  };

  UniqueFd reach(size_t directory, const std::string& name, int flags) const;
  void require_attachable(int fd) const;

  std::vector<Directory> directories_;
  const std::vector<uid_t> owners_;
};

}  // namespace kvferry
