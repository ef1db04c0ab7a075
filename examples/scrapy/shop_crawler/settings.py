"""The project's settings: one line switches Halt400 on, the others of its settings may be left out."""

ADDONS = {"halt400.integrations.scrapy.Halt400Addon": 300}
HALT400_JOB_ID = "example-scrapy"

BOT_NAME = "shop_crawler"
SPIDER_MODULES = ["shop_crawler.spiders"]
DOWNLOAD_DELAY = 0.1
ROBOTSTXT_OBEY = False
TELNETCONSOLE_ENABLED = False
LOG_LEVEL = "WARNING"
