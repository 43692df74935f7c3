//! The flags of whatever downloads, be it one object or many.

use clap::{Args, ValueEnum};
use tosget::{DownloadFile, PageCache, TosClientBuilder};

use crate::args::RecheckArg;
use crate::failure::Failure;
use crate::limits::LimitArgs;
use crate::size::Size;
use crate::ssec_key::SsecKeyArgs;
use crate::task_num::TaskNum;

/// How objects are downloaded.
#[derive(Debug, Args)]
pub(crate) struct TransferArgs {
    /// Size of one part, such as 20MiB or 100MB; may differ from run to run [default: 20MiB]
    #[arg(long, value_name = "SIZE")]
    pub(crate) part_size: Option<Size>,

    /// Parts in flight at once: exactly so many, 1 to 1000; or auto, as many as are needed, found while the download runs;
    /// may differ from run to run [default: auto]
    #[arg(long, value_name = "N|auto")]
    pub(crate) task_num: Option<TaskNum>,

    /// Keep no checkpoint: an interrupted download leaves nothing behind, and nothing to go on with
    #[arg(long)]
    pub(crate) no_checkpoint: bool,

    /// When to read back what was written: what an earlier run saved, before going on with it; with `always` the whole as well,
    /// before it gets its name
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = RecheckArg::Auto)]
    pub(crate) recheck: RecheckArg,

    /// Give the file the object's modification time
    #[arg(long)]
    pub(crate) preserve_mtime: bool,

    /// Whether the system keeps the file in memory: keep, or drop, for files larger than the memory that nobody reads soon
    #[arg(long, value_enum, value_name = "WHETHER", default_value_t = PageCacheArg::Keep)]
    pub(crate) page_cache: PageCacheArg,

    /// Don't compare the CRC64 of the file with the object's
    #[arg(long)]
    pub(crate) no_crc: bool,

    /// Don't ask the server for the CRC64 of each range
    #[arg(long)]
    pub(crate) no_range_crc: bool,

    #[command(flatten)]
    pub(crate) limits: LimitArgs,

    #[command(flatten)]
    pub(crate) ssec_key: SsecKeyArgs,
}

/// What the flags do to each request. Made once: a rate limiter is shared by all of them.
pub(crate) type Terms = Box<dyn Fn(DownloadFile) -> DownloadFile + Send>;

impl TransferArgs {
    /// Reads the key of the objects, if there is one.
    pub(crate) fn terms(self) -> Result<Terms, Failure> {
        let limiter = self.limits.limiter()?;
        let ssec_key = self.ssec_key.read()?;
        Ok(Box::new(move |mut request| {
            request = request
                .with_enable_checkpoint(!self.no_checkpoint)
                .with_recheck(self.recheck.into())
                .with_preserve_mtime(self.preserve_mtime)
                .with_page_cache(self.page_cache.into());
            if let Some(size) = self.part_size {
                request = request.with_part_size(size.0);
            }
            if let Some(rate) = self.limits.traffic_limit {
                request = request.with_traffic_limit(rate.0);
            }
            if let Some(limiter) = &limiter {
                request = request.with_rate_limiter(limiter.clone());
            }
            if let Some(key) = &ssec_key {
                request = request.with_ssec_key(key.clone());
            }
            request
        }))
    }

    /// How many tasks there shall be, if that is not to be found out.
    pub(crate) fn exact_task_num(&self) -> Option<usize> {
        match self.task_num {
            Some(TaskNum::Exactly(number)) => Some(number),
            _ => None,
        }
    }

    /// What the flags do to the client.
    pub(crate) fn configure(&self, builder: TosClientBuilder) -> TosClientBuilder {
        let builder = builder.enable_crc(!self.no_crc).range_crc(!self.no_range_crc);
        // What is wrong with another number is told where it is asked for.
        match self.exact_task_num().filter(|number| *number > 0) {
            Some(number) => builder.max_connections(number),
            None => builder,
        }
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum PageCacheArg {
    Keep,
    Drop,
}

impl From<PageCacheArg> for PageCache {
    fn from(whether: PageCacheArg) -> Self {
        match whether {
            PageCacheArg::Keep => Self::Keep,
            PageCacheArg::Drop => Self::Drop,
        }
    }
}
