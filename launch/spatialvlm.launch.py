"""The spatial, reward and planner nodes beside an RGB-D driver that runs already.

ros2 launch spatialvlm_ros spatialvlm.launch.py camera:=realsense robot:=/path/to/robot.yaml
"""

import os

from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node

from launch import LaunchDescription
from spatialvlm_ros.bringup import camera_preset
from spatialvlm_ros.share import config_file

_ARGUMENTS = {
    "camera": ("realsense", "Preset of config/cameras.yaml: topics of colour, depth and camera_info."),
    "robot": ("", "Parameter file of the nodes for your robot: spatial_node's tool_frame, planner_node's workspace ..."),
    "task": ("", "Task that reward_node rewards from the start: an instruction, a name of config/tasks, or a path."),
    "use_sim_time": ("false", "Take the time from /clock (simulation, bag replay)."),
    "executor": ("", "planner_node's executor: dry_run, sim or cartesian. Default: the robot file's, else dry_run."),
    "allow_motion": ("false", "Must be true before planner_node moves anything."),
    "image_transport": ("raw", "raw or compressed."),
    "depth_image_transport": ("raw", "raw or compressedDepth."),
    "namespace": ("", "Namespace of all nodes."),
    "rviz": ("false", "Watch in RViz: the cloud, things with their names, distances with their numbers."),
    "rviz_frame": ("base_link", "RViz's fixed frame; without tf that of the camera's images."),
}


def _is_true(text):
    return text.lower() in ("true", "1", "yes")


def _given(value, name):
    """A launch argument that was given as a parameter of its name: it wins over the robot's file."""
    return {name: value[name]} if value[name] else {}


def _nodes(context):
    value = {name: LaunchConfiguration(name).perform(context) for name in _ARGUMENTS}
    camera = camera_preset(value["camera"])
    if value["robot"] and not os.path.isfile(value["robot"]):
        raise RuntimeError(f"robot:={value['robot']} is no file; give the path of a parameter file of the nodes")
    clock = {"use_sim_time": _is_true(value["use_sim_time"])}
    common = {"package": "spatialvlm_ros", "namespace": value["namespace"], "output": "screen"}

    def defaults(name):
        return str(config_file(f"{name}.yaml"))

    robot = [value["robot"]] if value["robot"] else []
    spatial = {
        "depth_noise": camera["depth_noise"],
        "image_transport": value["image_transport"],
        "depth_image_transport": value["depth_image_transport"],
        **clock,
    }
    watching = [_rviz(value, camera, clock)] if _is_true(value["rviz"]) else []
    return [
        *watching,
        Node(
            executable="spatial_node",
            name="spatial_node",
            parameters=[defaults("spatial_node"), spatial, *robot],
            remappings=[
                ("color/image_raw", camera["color"]),
                ("depth/image_raw", camera["depth"]),
                ("depth/camera_info", camera["info"]),
                ("color/image_raw/compressed", camera["color"] + "/compressed"),
                ("depth/image_raw/compressedDepth", camera["depth"] + "/compressedDepth"),
            ],
            **common,
        ),
        Node(
            executable="reward_node",
            name="reward_node",
            parameters=[defaults("reward_node"), *robot, {**_given(value, "task"), **clock}],
            **common,
        ),
        Node(
            executable="planner_node",
            name="planner_node",
            parameters=[
                defaults("planner_node"),
                *robot,
                # Last, so that it wins: whether anything moves is not for a robot's file to say.
                {**_given(value, "executor"), "allow_motion": _is_true(value["allow_motion"]), **clock},
            ],
            **common,
        ),
    ]


def _rviz(value, camera, clock):
    shown, namespace = camera_preset("sim"), value["namespace"].strip("/")
    own = f"/{namespace}/spatial_node" if namespace else "/spatial_node"
    return Node(
        package="rviz2",
        executable="rviz2",
        name="spatialvlm_rviz",
        output="log",
        arguments=["-d", str(config_file("spatialvlm.rviz")), "-f", value["rviz_frame"]],
        parameters=[clock],
        remappings=[
            (shown["color"], camera["color"]),
            (shown["depth"], camera["depth"]),
            # RViz takes the camera_info that lies beside the depth image.
            (shown["info"], camera["info"]),
            *((f"/spatial_node/{topic}", f"{own}/{topic}") for topic in ("markers", "debug_image")),
        ],
    )


def generate_launch_description():
    profile = str(config_file("fastdds.xml"))
    # Images do not fit into Fast DDS' default shared-memory segment; the driver should run with the same profile.
    environment = {"FASTRTPS_DEFAULT_PROFILES_FILE": profile, "FASTDDS_DEFAULT_PROFILES_FILE": profile, "OMP_NUM_THREADS": "1"}
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text) for name, (default, text) in _ARGUMENTS.items()
    ]
    return LaunchDescription(
        [
            *arguments,
            *(SetEnvironmentVariable(name, value) for name, value in environment.items() if name not in os.environ),
            OpaqueFunction(function=_nodes),
        ]
    )
